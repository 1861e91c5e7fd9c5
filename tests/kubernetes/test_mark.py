"""What a fault changes carries a mark, so that an agent on another machine is refused and learns who drills it."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.healing import heal
from alertdrill.chaos.safety.ledger import Ledger
from tests.kubernetes.test_apply_manifest import DENY
from tests.support.breaking import KilledAgent, fault, start_agent
from tests.support.cluster import Shop

NODE = "/api/v1/nodes/node-1"
SCALE = {"kind": "scale", "workload": "deployment/engine", "replicas": 1}
BAD_IMAGE = {"kind": "rollout_bad_image", "workload": "deployment/engine"}
RESTART = {"kind": "restart_rollout", "workload": "deployment/engine"}
KEYS = {"alertdrill.io/fault", "alertdrill.io/owner", "alertdrill.io/since"}


async def marks(shop: Shop, path: str) -> dict[str, str]:
    labels = (await shop.api.get(path))["metadata"].get("labels") or {}
    return {key: value for key, value in labels.items() if key in KEYS}


KILL = {"kind": "kill_pods", "selector": "app=engine"}
EVICT = {"kind": "evict_pods", "owner": "deployment/engine"}


@pytest.mark.parametrize(
    "settings", [SCALE, RESTART, BAD_IMAGE, KILL, EVICT], ids=lambda settings: str(settings["kind"])
)
async def test_a_workload_carries_the_mark_until_the_end(shop: Shop, ledger: Ledger, settings: dict[str, Any]) -> None:
    await shop.deploy()
    path = shop.path("deployments")
    async with applied(fault(namespace=shop.name, **settings), shop.endpoints(), ledger) as injection:
        marked = await marks(shop, path)
        assert marked["alertdrill.io/fault"] == injection.name  # type: ignore[attr-defined]
        assert marked["alertdrill.io/owner"].endswith(f".{os.getpid()}")
        assert marked.keys() == KEYS
    assert await marks(shop, path) == {}
    for one in await shop.api.listed(shop.path("replicasets", "")):
        metadata = one["metadata"]
        assert not KEYS & {*metadata["labels"], *metadata["annotations"]}


async def test_a_node_carries_the_mark_until_the_end(nodes: Shop, ledger: Ledger) -> None:
    async with applied(fault(kind="cordon", node="node-1"), nodes.endpoints(), ledger):
        assert (await marks(nodes, NODE)).keys() == KEYS
    assert await marks(nodes, NODE) == {}


@pytest.mark.parametrize(
    "second",
    [SCALE | {"replicas": 2}, RESTART, BAD_IMAGE, EVICT, KILL],
    ids=lambda settings: str(settings["kind"]),
)
@pytest.mark.parametrize("first", [SCALE, KILL], ids=lambda settings: str(settings["kind"]))
async def test_a_second_agent_is_refused_and_told_who_drills_the_workload(
    shop: Shop, tmp_path: Path, first: dict[str, Any], second: dict[str, Any]
) -> None:
    await shop.deploy()
    first = first | {"namespace": shop.name}
    agent = await KilledAgent.in_a_thread(tmp_path / "ledger", first, kubernetes=shop.opened())
    (entry_id,) = agent.ledger.read().entries
    host = socket.gethostname().split(".")[0]
    told = (
        rf"deployments.apps engine in namespace {shop.name} is held by the fault {entry_id} of process {agent.pid}"
        rf" on {host}\S*, since 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ: wait for the end of that drill"
    )
    other = fault(namespace=shop.name, **second)
    with pytest.raises(FaultNotApplied, match=told):
        await other.resolve(shop.endpoints(), "alertdrill-1")
    agent.kill()
    ended = rf"of process {agent.pid} on {host}\S*, which has ended, since .*run `alertdrill heal` there"
    with pytest.raises(FaultNotApplied, match=ended):
        await other.resolve(shop.endpoints(), "alertdrill-1")
    await agent.heal()
    assert await marks(shop, shop.path("deployments")) == {}
    await other.resolve(shop.endpoints(), "alertdrill-1")


async def test_a_second_agent_is_refused_and_told_who_drills_the_node(nodes: Shop, tmp_path: Path) -> None:
    cordon = {"kind": "cordon", "node": "node-1"}
    agent = await KilledAgent.in_a_thread(tmp_path / "ledger", cordon, kubernetes=nodes.opened())
    told = f"nodes node-1 of the cluster is held by the fault alertdrill-.* of process {agent.pid} on "
    with pytest.raises(FaultNotApplied, match=told):
        await fault(**cordon).resolve(nodes.endpoints(), "alertdrill-1")
    agent.kill()
    await agent.heal()
    assert await marks(nodes, NODE) == {}


async def test_a_second_agent_is_refused_and_told_who_made_the_object(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "deny-all.yml").write_text(yaml.safe_dump(DENY))
    deny = {"kind": "apply_manifest", "namespace": shop.name, "file": str(tmp_path / "deny-all.yml")}
    agent = await KilledAgent.in_a_thread(tmp_path / "ledger", deny, kubernetes=shop.opened())
    told = f"networkpolicies.networking.k8s.io deny-all in .* is held by the fault .* of process {agent.pid} on "
    with pytest.raises(FaultNotApplied, match=told):
        await fault(**deny).resolve(shop.endpoints(), "alertdrill-1")
    agent.kill()
    await agent.heal()


async def test_of_two_agents_at_once_one_is_refused(shop: Shop, tmp_path: Path) -> None:
    """Both found the workload free when they looked first."""
    await shop.deploy()
    where = {"kubernetes": shop.opened()}
    settings = [SCALE | {"namespace": shop.name, "replicas": replicas} for replicas in (1, 2)]
    agents = [start_agent(tmp_path / str(number), one, **where) for number, one in enumerate(settings)]

    def said(number: int) -> bytes:
        output = agents[number].stdout
        assert output is not None
        return output.readline()

    lines = await asyncio.gather(*(asyncio.to_thread(said, number) for number in range(2)))
    assert sorted(lines) == [b"", b"in force\n"]
    held = lines.index(b"in force\n")
    assert (await shop.workload())["spec"]["replicas"] == settings[held]["replicas"]
    for agent in agents:
        agent.kill()
        agent.communicate()
    ((entry_id, entry),) = Ledger(tmp_path / str(held)).read().entries.items()
    assert (await marks(shop, shop.path("deployments")))["alertdrill.io/fault"] == entry_id
    await entry.injection.undo()
    assert await marks(shop, shop.path("deployments")) == {}


async def test_the_number_of_replicas_before_is_in_the_mark_for_a_person_who_undoes_it(
    shop: Shop, tmp_path: Path
) -> None:
    await shop.deploy()
    settings = SCALE | {"namespace": shop.name, "replicas": 0}
    agent = await KilledAgent.in_a_thread(tmp_path / "ledger", settings, kubernetes=shop.opened())
    agent.kill()
    back = fault(**settings | {"replicas": 1})
    told = r"undo it by hand \(it had 3 replicas\), and then kubectl label -n \S+ deployments engine .*replicas-before-"
    with pytest.raises(FaultNotApplied, match=told):
        await back.resolve(shop.endpoints(), "alertdrill-1")
    await agent.heal()
    labels = (await shop.workload())["metadata"].get("labels") or {}
    assert not [key for key in labels if key.startswith("alertdrill")]


async def test_a_fault_that_goes_on_marks_the_workload_when_the_first_ends(
    shop: Shop, ledger: Ledger, tmp_path: Path
) -> None:
    await shop.deploy()
    restart, scale = (fault(namespace=shop.name, **one) for one in (RESTART, SCALE))
    async with AsyncExitStack() as until_first_ends:
        await until_first_ends.enter_async_context(applied(restart, shop.endpoints(), ledger))
        async with applied(scale, shop.endpoints(), Ledger(tmp_path / "another")) as second:
            await until_first_ends.aclose()
            marked = await marks(shop, shop.path("deployments"))
            assert marked["alertdrill.io/fault"] == second.name  # type: ignore[attr-defined]
    assert await marks(shop, shop.path("deployments")) == {}


async def test_two_faults_of_one_drill_may_change_the_same_workload(shop: Shop, ledger: Ledger, tmp_path: Path) -> None:
    await shop.deploy()
    restart, scale = (fault(namespace=shop.name, **one) for one in (RESTART, SCALE))
    async with applied(restart, shop.endpoints(), ledger) as first:
        async with applied(scale, shop.endpoints(), Ledger(tmp_path / "another")):
            pass
        marked = await marks(shop, shop.path("deployments"))
        assert marked["alertdrill.io/fault"] == first.name  # type: ignore[attr-defined]
    assert await marks(shop, shop.path("deployments")) == {}


async def test_a_role_that_may_not_patch_workloads_scales_without_a_mark(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    role = await shop.role()
    rules = [rule for rule in role["rules"] if not (rule["verbs"] == ["patch"] and "deployments" in rule["resources"])]
    assert len(rules) == len(role["rules"]) - 1
    await shop.set_rules(rules)
    async with applied(fault(namespace=shop.name, **SCALE), shop.endpoints(), ledger):
        assert (await shop.workload())["spec"]["replicas"] == 1
        assert await marks(shop, shop.path("deployments")) == {}
    assert (await shop.workload())["spec"]["replicas"] == 3


async def test_a_mark_that_somebody_removed_does_not_hinder_the_undo(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    async with applied(fault(namespace=shop.name, **SCALE), shop.endpoints(), ledger):
        await shop.api.patch(shop.path("deployments"), {"metadata": {"labels": dict.fromkeys(KEYS)}})
    assert (await shop.workload())["spec"]["replicas"] == 3


async def test_of_two_drills_that_scale_one_workload_the_last_to_end_leaves_it_as_it_was(
    shop: Shop, ledger: Ledger, tmp_path: Path
) -> None:
    """Somebody removed the mark, so that the second one was not refused."""
    await shop.deploy()
    first, second = (SCALE | {"namespace": shop.name, "replicas": replicas} for replicas in (0, 1))
    agents: list[KilledAgent] = []

    async def scale_again() -> None:
        await shop.api.patch(shop.path("deployments"), {"metadata": {"labels": dict.fromkeys(KEYS)}})
        agents.append(await KilledAgent.in_a_thread(tmp_path / "second", second, kubernetes=shop.opened()))

    with pytest.raises(FaultNotHealed, match=r"is held by the fault alertdrill-.*, which will set back the 0 replicas"):
        async with applied(fault(**first), shop.endpoints(), ledger):
            await scale_again()
    (agent,) = agents
    agent.kill()
    await agent.heal()
    assert (await shop.workload())["spec"]["replicas"] == 0
    ((entry_id, entry),) = ledger.read().entries.items()
    await heal(ledger, entry_id, entry, is_handed_over=True)
    assert (await shop.workload())["spec"]["replicas"] == 3
