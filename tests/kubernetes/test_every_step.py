"""A fault always ends: at any single step the network is cut, the agent is killed, or others change or remove its target.

`make test-kubernetes` tries every step; with SHORT=1 every fifth, and every third where agents are killed.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.healing import abandoned, heal, heal_all
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.lab.kubernetes.api import ApiRefused
from alertdrill.lab.kubernetes.control_plane import ControlPlane
from alertdrill.lab.kubernetes.files import node
from tests.kubernetes.test_apply_manifest import DENY, policies
from tests.kubernetes.test_cordon import cordoned
from tests.support.breaking import fault, start_agent
from tests.support.cluster import LABEL, Shop
from tests.support.relay import Relay

# An injection takes three to seven pieces (two of them for TLS); the rest are of the undo, which may poll many times.
_STEPS = 12
_EVERY = int(os.environ.get("ALERTDRILL_EVERY_STEP", "5"))
# An injection has few steps, and agents are killed only in it.
_EVERY_OF_AN_INJECTION = min(_EVERY, 3)
# At least two steps were tried, and at least four where every one is.
_BEYOND = max(4, 1 + _EVERY)
FAULTS: list[dict[str, Any]] = [
    {"kind": "scale", "workload": "deployment/engine", "replicas": 1},
    {"kind": "apply_manifest", "file": "deny-all.yml"},
    {"kind": "rollout_bad_image", "workload": "deployment/engine"},
    {"kind": "partition", "selector": "app=engine"},
    {"kind": "kill_pods", "selector": "app=engine", "count": 2},
    {"kind": "evict_pods", "owner": "deployment/engine", "count": 2},
    {"kind": "restart_rollout", "workload": "deployment/engine"},
]
CORDON = {"kind": "cordon", "node": "node-1"}
OF_NODES: list[dict[str, Any]] = [
    CORDON,
    # All nodes, so that there are pods on them wherever the scheduler put these.
    {"kind": "drain", "selector": "type=kwok", "most_nodes": 2, "evict_within": "0s"},
]


@pytest.fixture
async def relay(control_plane: ControlPlane, shop: Shop) -> AsyncIterator[Relay]:
    """A relay before the API server; the shop's kubeconfig has its address."""
    port = int(control_plane.url.rsplit(":", 1)[1])
    async with Relay(port).running() as relay:
        text = shop.kubeconfig.read_text()
        shop.kubeconfig.write_text(text.replace(f":{port}", f":{relay.port}"))
        yield relay


def broken(shop: Shop, tmp_path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    (tmp_path / "deny-all.yml").write_text(yaml.safe_dump(DENY))
    file = {"file": str(tmp_path / settings["file"])} if "file" in settings else {}
    return settings | {"namespace": shop.name} | file


async def assert_whole(shop: Shop) -> None:
    assert (await shop.workload())["spec"]["replicas"] == 3
    await shop.require_ready(3)
    assert await policies(shop) == []


async def assert_nothing_cordoned(shop: Shop) -> None:
    assert await cordoned(shop) == []
    await shop.require_ready(3)


async def cut_at_every_step(
    shop: Shop, relay: Relay, ledger: Ledger, broken: dict[str, Any], assert_whole: Callable[[Shop], Awaitable[None]]
) -> None:
    """Inject and undo again and again, and cut one step later each time, until no step is left."""
    relay.counting = lambda: any(ledger.directory.glob("*.json"))
    for step in range(1, _STEPS + 1, _EVERY):
        relay.seen, relay.cut_at = 0, step
        with suppress(FaultNotApplied, FaultNotHealed):
            async with applied(fault(**broken), shop.endpoints(), ledger):
                pass
        if not relay.was_cut:
            break
        await relay.reopened()
        for entry_id, entry in ledger.read().entries.items():
            await heal(ledger, entry_id, entry, is_handed_over=True)
        assert ledger.read().entries == {}
        await assert_whole(shop)
    assert step > _BEYOND


@pytest.fixture(params=[True, False], ids=["answers-lost", "requests-lost"])
def cutting(request: pytest.FixtureRequest, relay: Relay) -> Relay:
    """A relay that cuts the network for a moment: either the request or its response is lost."""
    relay.cut_seconds, relay.delivered = 0.3, request.param
    return relay


@pytest.mark.parametrize("settings", FAULTS, ids=lambda settings: str(settings["kind"]))
async def test_a_network_that_is_cut_at_any_step_leaves_nothing_broken(
    shop: Shop, cutting: Relay, ledger: Ledger, tmp_path: Path, settings: dict[str, Any]
) -> None:
    await shop.deploy()
    await cut_at_every_step(shop, cutting, ledger, broken(shop, tmp_path, settings), assert_whole)


@pytest.mark.parametrize("settings", OF_NODES, ids=lambda settings: str(settings["kind"]))
async def test_a_network_that_is_cut_at_any_step_leaves_no_node_cordoned(
    nodes: Shop, cutting: Relay, ledger: Ledger, settings: dict[str, Any]
) -> None:
    await nodes.deploy()
    await cut_at_every_step(nodes, cutting, ledger, settings, assert_nothing_cordoned)


async def killed_at_every_step(
    shop: Shop, relay: Relay, ledger: Ledger, broken: dict[str, Any], assert_whole: Callable[[Shop], Awaitable[None]]
) -> None:
    """Kill the agent one step of the injection later each time, until it completes the injection."""
    relay.counting = lambda: any(ledger.directory.glob("*.json"))
    for step in itertools.count(1, _EVERY_OF_AN_INJECTION):
        relay.seen, relay.cut_at, relay.delivered = 0, step, step % 2 == 0
        agent = start_agent(ledger.directory, broken, kubernetes=shop.opened())
        assert agent.stdout is not None
        with agent.stdout as output:
            relay.on_cut = agent.kill
            said = await asyncio.to_thread(output.readline)
        agent.kill()
        await asyncio.to_thread(agent.wait)
        relay.on_cut = lambda: None
        relay.cut_at = 0
        assert [one.problem async for one in heal_all(ledger, abandoned(ledger.read()))] == [""]
        assert ledger.read().entries == {}
        await assert_whole(shop)
        if said == b"in force\n":
            break
    assert step > 2


@pytest.mark.parametrize("settings", FAULTS, ids=lambda settings: str(settings["kind"]))
async def test_an_agent_killed_at_any_step_of_breaking_is_healed_after(
    shop: Shop, relay: Relay, ledger: Ledger, tmp_path: Path, settings: dict[str, Any]
) -> None:
    await shop.deploy()
    await killed_at_every_step(shop, relay, ledger, broken(shop, tmp_path, settings), assert_whole)


@pytest.mark.parametrize("settings", OF_NODES, ids=lambda settings: str(settings["kind"]))
async def test_an_agent_killed_at_any_step_of_cordoning_is_healed_after(
    nodes: Shop, relay: Relay, ledger: Ledger, settings: dict[str, Any]
) -> None:
    await nodes.deploy()
    await killed_at_every_step(nodes, relay, ledger, settings, assert_nothing_cordoned)


# What can befall a target; the kinds of faults that touch a workload.
OF_WORKLOADS = [settings for settings in FAULTS if settings["kind"] not in {"apply_manifest", "partition"}]
Prepared = tuple[dict[str, Any], Endpoints]


async def befallen_at_every_step(
    relay: Relay,
    ledger: Ledger,
    prepare: Callable[[], Awaitable[Prepared]],
    event: Callable[[], Awaitable[object]],
    every: int = _EVERY,
) -> AsyncIterator[Injection | None]:
    """Let something happen one step later each time, until no step is left; yields the fault after its end.

    None if it was refused before anything was broken.
    """
    relay.event = event
    relay.counting = lambda: any(ledger.directory.glob("*.json"))
    for step in itertools.count(1, every):
        settings, endpoints = await prepare()
        relay.seen, relay.cut_at = 0, step
        injection: Injection | None = None
        with suppress(FaultNotApplied):
            async with applied(fault(**settings), endpoints, ledger) as injection:
                pass
        if not relay.was_cut:
            break
        await relay.happened()
        assert ledger.read().entries == {}
        # At the last steps, when the fault was healed already, nobody looks any more.
        assert injection is None or re.search("meanwhile|Ready|rolled out|take pods again", injection.outcome)
        yield injection
    assert step > _BEYOND


def engine(shop: Shop, settings: dict[str, Any]) -> Callable[[], Awaitable[Prepared]]:
    """Prepare a new engine for each step."""

    async def prepare() -> Prepared:
        await shop.removed()
        await shop.deploy()
        return settings | {"namespace": shop.name}, shop.endpoints()

    return prepare


@pytest.mark.parametrize("settings", OF_WORKLOADS, ids=lambda settings: str(settings["kind"]))
async def test_a_workload_that_is_removed_at_any_step_ends_the_fault(
    shop: Shop, relay: Relay, ledger: Ledger, settings: dict[str, Any]
) -> None:
    async def remove() -> None:
        await shop.api.delete(shop.path("deployments"))

    async for _ in befallen_at_every_step(relay, ledger, engine(shop, settings), remove):
        pass


@pytest.mark.parametrize("settings", OF_WORKLOADS, ids=lambda settings: str(settings["kind"]))
async def test_a_number_of_replicas_that_is_set_at_any_step_stays(
    shop: Shop, relay: Relay, ledger: Ledger, settings: dict[str, Any]
) -> None:
    async def scale() -> None:
        await shop.scale(2)

    async for _ in befallen_at_every_step(relay, ledger, engine(shop, settings), scale):
        now = await shop.workload()
        assert now["spec"]["replicas"] == 2
        left = [key for key in now["metadata"].get("labels") or {} if key.startswith("alertdrill")]
        assert left == []


@pytest.mark.parametrize("settings", OF_WORKLOADS, ids=lambda settings: str(settings["kind"]))
async def test_a_namespace_that_is_removed_at_any_step_ends_the_fault(
    control_plane: ControlPlane, shop: Shop, relay: Relay, ledger: Ledger, settings: dict[str, Any]
) -> None:
    """The account is of elsewhere, so it can still ask. Each step needs a namespace, so that fewer are tried."""
    port = control_plane.url.rsplit(":", 1)[1]
    kubeconfig = shop.kubeconfig.with_name("elsewhere")
    kubeconfig.write_text(control_plane.kubeconfig.read_text().replace(f":{port}", f":{relay.port}"))
    made: list[Shop] = []

    async def prepare() -> Prepared:
        made.append(Shop(shop.api, f"{shop.name}-{len(made)}", shop.kubeconfig.with_name("its-own")))
        await made[-1].open(control_plane)
        await made[-1].deploy()
        return settings | {"namespace": made[-1].name}, made[-1].endpoints(kubeconfig=str(kubeconfig))

    async def remove() -> None:
        await shop.api.delete(f"/api/v1/namespaces/{made[-1].name}")

    async for _ in befallen_at_every_step(relay, ledger, prepare, remove, every=min(3 * _EVERY, 9)):
        pass
    await remove()


@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "uncordoned"])
async def test_a_node_that_is_removed_or_uncordoned_at_any_step_ends_the_fault(
    nodes: Shop,
    relay: Relay,
    ledger: Ledger,
    is_removed: bool,  # noqa: FBT001
) -> None:
    path = "/api/v1/nodes/node-3"

    async def prepare() -> Prepared:
        with suppress(ApiRefused):
            await nodes.api.delete(path)
        await nodes.api.create("/api/v1/nodes", node("node-3") | {"metadata": {"name": "node-3", "labels": LABEL}})
        return CORDON | {"node": "node-3"}, nodes.endpoints()

    async def befall() -> None:
        await (nodes.api.delete(path) if is_removed else nodes.api.patch(path, {"spec": {"unschedulable": None}}))

    async for _ in befallen_at_every_step(relay, ledger, prepare, befall):
        assert await cordoned(nodes) == []
    await nodes.api.delete(path)
