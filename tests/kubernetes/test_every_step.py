"""A fault is always undone, even when the network is cut or the agent is killed at any single step.

`make test` tries every third step, `make test-kubernetes` every one.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.healing import abandoned, heal, heal_all
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.lab.kubernetes.control_plane import ControlPlane
from tests.kubernetes.test_apply_manifest import DENY, policies
from tests.kubernetes.test_cordon import cordoned
from tests.support.breaking import fault, start_agent
from tests.support.cluster import Shop
from tests.support.relay import Relay

# An injection takes three to seven pieces (two of them for TLS); the rest are of the undo, which may poll many times.
_STEPS = 12
_EVERY = int(os.environ.get("ALERTDRILL_EVERY_STEP", "3"))
FAULTS: list[dict[str, Any]] = [
    {"kind": "scale", "workload": "deployment/engine", "replicas": 1},
    {"kind": "apply_manifest", "file": "deny-all.yml"},
    {"kind": "kill_pods", "selector": "app=engine", "count": 2},
    {"kind": "evict_pods", "owner": "deployment/engine", "count": 2},
    {"kind": "restart_rollout", "workload": "deployment/engine"},
]
CORDON = {"kind": "cordon", "node": "node-1"}


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
    workload = await shop.workload()
    assert workload["spec"]["replicas"] == 3
    assert workload["status"]["readyReplicas"] == 3
    assert await policies(shop) == []


async def assert_nothing_cordoned(shop: Shop) -> None:
    assert await cordoned(shop) == []


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
    assert step > 4


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


async def test_a_network_that_is_cut_at_any_step_leaves_no_node_cordoned(
    nodes: Shop, cutting: Relay, ledger: Ledger
) -> None:
    await cut_at_every_step(nodes, cutting, ledger, CORDON, assert_nothing_cordoned)


async def killed_at_every_step(
    shop: Shop, relay: Relay, ledger: Ledger, broken: dict[str, Any], assert_whole: Callable[[Shop], Awaitable[None]]
) -> None:
    """Kill the agent one step of the injection later each time, until it completes the injection."""
    relay.counting = lambda: any(ledger.directory.glob("*.json"))
    for step in itertools.count(1, _EVERY):
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


async def test_an_agent_killed_at_any_step_of_cordoning_is_healed_after(
    nodes: Shop, relay: Relay, ledger: Ledger
) -> None:
    await killed_at_every_step(nodes, relay, ledger, CORDON, assert_nothing_cordoned)
