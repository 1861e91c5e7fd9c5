"""A control plane for all tests of a run, and a namespace for each test."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.lab.errors import LabError
from alertdrill.lab.kubernetes.api import KubernetesApi
from alertdrill.lab.kubernetes.control_plane import ControlPlane
from alertdrill.lab.programs import find_kubernetes
from tests.support.cluster import LABEL, Shop, bystanders, seen
from tests.support.front import Front

_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def _programs() -> None:
    try:
        find_kubernetes()
    except LabError as error:
        pytest.skip(f"there is no Kubernetes to test with: {str(error).splitlines()[0]}")


@pytest.fixture(scope="package")
async def control_plane() -> AsyncIterator[ControlPlane]:
    async with ControlPlane() as plane, KubernetesApi(plane.kubeconfig) as api:
        await bystanders(api)
        yield plane


@pytest.fixture(scope="package")
async def api(control_plane: ControlPlane) -> AsyncIterator[KubernetesApi]:
    """An administrator's client, which shares no code with the faults."""
    async with KubernetesApi(control_plane.kubeconfig) as api:
        yield api


@pytest.fixture
async def shop(control_plane: ControlPlane, api: KubernetesApi, tmp_path: Path) -> AsyncIterator[Shop]:
    """A namespace that is open to drills, with the role in configs/; other objects must not change meanwhile."""
    shop = Shop(api, f"shop-{next(_numbers)}", tmp_path / "kubeconfig")
    await shop.open(control_plane)
    before = await seen(api)
    yield shop
    assert await seen(api) == before
    await api.delete(f"/api/v1/namespaces/{shop.name}")


@pytest.fixture
async def front(control_plane: ControlPlane, shop: Shop) -> AsyncIterator[Front]:
    """A proxy before the API server; the shop's kubeconfig has its address."""
    async with Front(control_plane.url, control_plane.authority).running() as front:
        front.before(shop.kubeconfig)
        yield front


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger that must be empty when the test ends."""
    ledger = Ledger(tmp_path / "ledger")
    yield ledger
    assert ledger.read().entries == {}


@pytest.fixture
async def nodes(shop: Shop) -> AsyncIterator[Shop]:
    """Nodes that carry the label, and the role for them in configs/."""
    made = await shop.apply("rbac-nodes.yml")
    names = [one["metadata"]["name"] for one in await shop.api.listed("/api/v1/nodes")]
    for name in names:
        await shop.api.patch(f"/api/v1/nodes/{name}", {"metadata": {"labels": LABEL}})
    yield shop
    for name in names:
        change = {"metadata": {"labels": dict.fromkeys(LABEL)}, "spec": {"unschedulable": None}}
        await shop.api.patch(f"/api/v1/nodes/{name}", change)
    for kind, name in made:
        await shop.api.delete(f"/apis/rbac.authorization.k8s.io/v1/{kind.lower()}s/{name}")
