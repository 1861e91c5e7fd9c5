"""Resources of Chaos Mesh and Litmus: their operators' status decides when the fault is in force, and when it is over.

The tests stand for the operators, which are not installed: they write the status themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.healing import heal
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.lab.kubernetes.api import KubernetesApi
from tests.kubernetes.test_apply_manifest import DENY, apply, policies
from tests.support.cluster import Shop
from tests.support.waiting import until

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
DELAY = {
    "apiVersion": "chaos-mesh.org/v1alpha1",
    "kind": "NetworkChaos",
    # Chaos Mesh puts such a finalizer on objects that it must clean up itself.
    "metadata": {"name": "delay", "finalizers": ["chaos-mesh/records"]},
    "spec": {"action": "delay", "mode": "all", "selector": {"labelSelectors": {"app": "engine"}}},
}
ENGINE = {
    "apiVersion": "litmuschaos.io/v1alpha1",
    "kind": "ChaosEngine",
    "metadata": {"name": "pod-delete"},
    "spec": {"engineState": "active", "experiments": [{"name": "pod-delete"}]},
}


def definition(group: str, kind: str, plural: str) -> dict[str, Any]:
    """Describe a resource like that of an operator, as short as the API server accepts."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": {"api-approved.kubernetes.io": "unapproved"}},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1alpha1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            ],
        },
    }


class Operator:
    """What an operator does with its objects: it writes their status, and removes its finalizer."""

    def __init__(self, shop: Shop, kind: str, name: str) -> None:
        self.shop = shop
        self.path = f"/apis/{kind}/namespaces/{shop.name}/{name}"

    async def says(self, **status: Any) -> None:
        """Write the status, as soon as the object is there."""
        await self.shop.api.until(self.path, 180)
        await self.shop.api.patch(self.path, {"status": status})

    async def lets_go(self) -> None:
        """Wait until an object with a finalizer is being removed, and let it go."""
        await self.shop.api.until(self.path, 180)

        async def is_being_removed() -> bool:
            return "deletionTimestamp" in (await self.shop.api.get(self.path))["metadata"]

        await until(is_being_removed, "the object is being removed")
        await self.shop.api.patch(self.path, {"metadata": {"finalizers": None}})


def conditions(**statuses: str) -> dict[str, Any]:
    return {"conditions": [{"type": name, "status": status} for name, status in statuses.items()]}


@pytest.fixture(scope="module")
async def _operators(api: KubernetesApi) -> AsyncIterator[None]:
    kinds = [("chaos-mesh.org", "NetworkChaos", "networkchaos"), ("litmuschaos.io", "ChaosEngine", "chaosengines")]
    for group, kind, plural in kinds:
        await api.create(DEFINITIONS, definition(group, kind, plural))
        # The API server lists the kinds of a group later than it serves them.
        await api.until(f"/apis/{group}/v1alpha1", 180)
        await api.until(f"/apis/{group}/v1alpha1/namespaces/default/{plural}", 180)
    yield
    for group, _, plural in kinds:
        await api.delete(f"{DEFINITIONS}/{plural}.{group}")


@pytest.fixture
def chaos_mesh(shop: Shop, _operators: None) -> Operator:
    return Operator(shop, "chaos-mesh.org/v1alpha1", "networkchaos/delay")


@pytest.fixture
def litmus(shop: Shop, _operators: None) -> Operator:
    return Operator(shop, "litmuschaos.io/v1alpha1", "chaosengines/pod-delete")


async def test_a_kind_that_is_not_installed_is_told_before_anything_is_broken(shop: Shop, tmp_path: Path) -> None:
    missing = DELAY | {"kind": "IOChaos", "apiVersion": "not-there.org/v1"}
    with pytest.raises(FaultNotApplied, match=r"the cluster has no IOChaos in not-there.org/v1"):
        await apply(shop, tmp_path, DENY, missing).resolve(shop.endpoints(), "alertdrill-1")
    assert await policies(shop) == []


async def test_the_undo_waits_until_a_resource_of_chaos_mesh_is_gone(
    shop: Shop, chaos_mesh: Operator, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "ledger")
    waits = pytest.raises(FaultNotHealed, match=r"NetworkChaos delay .* waiting for chaos-mesh/records, after 0.5 s")
    with waits:
        async with applied(apply(shop, tmp_path, DELAY, gone_within="500ms"), shop.endpoints(), ledger):
            assert (await shop.api.get(chaos_mesh.path))["spec"] == DELAY["spec"]
    ((entry_id, entry),) = ledger.read().entries.items()
    healing = asyncio.create_task(heal(ledger, entry_id, entry, is_handed_over=True))
    await chaos_mesh.lets_go()
    await healing
    assert ledger.read().entries == {}


MESH = {
    "ready_when": "status.conditions[AllInjected]=True",
    "recovered_when": "status.conditions[AllRecovered]=True",
}


async def test_a_fault_of_chaos_mesh_is_in_force_when_all_is_injected_and_over_when_all_is_recovered(
    shop: Shop, chaos_mesh: Operator, ledger: Ledger, tmp_path: Path
) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(chaos_mesh.says(**conditions(AllInjected="True")))
        async with applied(apply(shop, tmp_path, DELAY, **MESH), shop.endpoints(), ledger) as injection:
            assert (await shop.api.get(chaos_mesh.path))["status"] == conditions(AllInjected="True")
            assert await injection.taken_back() == ""
            await chaos_mesh.says(**conditions(AllInjected="False", AllRecovered="True"))
            told = "NetworkChaos delay: status.conditions[AllInjected] is False, expected True"
            assert await injection.taken_back() == told
            tasks.create_task(chaos_mesh.lets_go())
    assert injection.outcome == "NetworkChaos delay removed"


async def test_a_resource_that_went_before_its_recovery_was_seen_is_told(
    shop: Shop, chaos_mesh: Operator, ledger: Ledger, tmp_path: Path
) -> None:
    settings = {"recovered_when": {"NetworkChaos": MESH["recovered_when"]}}
    broken = apply(shop, tmp_path, DELAY, **settings)
    async with asyncio.TaskGroup() as tasks, applied(broken, shop.endpoints(), ledger) as injection:
        tasks.create_task(chaos_mesh.lets_go())
    told = "NetworkChaos delay removed, before status.conditions[AllRecovered]=True was seen"
    assert injection.outcome == told


async def test_a_fault_that_the_operator_does_not_inject_in_time_is_not_applied(
    shop: Shop, chaos_mesh: Operator, ledger: Ledger, tmp_path: Path
) -> None:
    broken = apply(shop, tmp_path, DENY, DELAY, ready_within="300ms", ready_when={"NetworkChaos": MESH["ready_when"]})
    told = (
        rf"NetworkChaos delay of namespace {shop.name}: status.conditions\[AllInjected\] is not there, expected True,"
        " after 0.3 s"
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(chaos_mesh.lets_go())
        with pytest.raises(FaultNotApplied, match=told):
            async with applied(broken, shop.endpoints(), ledger):
                pass
    assert await policies(shop) == []


async def test_an_undo_that_hangs_says_what_the_operator_has_not_done(
    shop: Shop, chaos_mesh: Operator, tmp_path: Path
) -> None:
    broken = apply(shop, tmp_path, DELAY, recovered_when=MESH["recovered_when"], gone_within="300ms")
    injection = await broken.resolve(shop.endpoints(), "alertdrill-1")
    await injection.inject()
    told = r"waiting for chaos-mesh/records and status.conditions\[AllRecovered\] is not there, expected True, after"
    with pytest.raises(FaultNotHealed, match=told):
        await injection.undo()
    await chaos_mesh.lets_go()
    await injection.undo()


async def test_a_fault_of_litmus_is_in_force_when_its_engine_is_initialized(
    shop: Shop, litmus: Operator, ledger: Ledger, tmp_path: Path
) -> None:
    broken = apply(shop, tmp_path, ENGINE, ready_when="status.engineStatus=initialized")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(litmus.says(engineStatus="initialized", experiments=[{"name": "pod-delete"}]))
        async with applied(broken, shop.endpoints(), ledger) as injection:
            assert await injection.taken_back() == ""
    assert injection.outcome == "ChaosEngine pod-delete removed"
