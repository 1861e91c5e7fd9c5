"""Nodes are cordoned, and their pods evicted as the budgets allow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from tests.kubernetes.test_cordon import cordoned
from tests.support.breaking import KilledAgent, fault
from tests.support.cluster import LABEL, Shop, deployment
from tests.support.waiting import until


def drain(**settings: Any) -> Any:
    return fault(**{"kind": "drain", "node": "node-1", "ready_within": "5m"} | settings)


async def on_node(shop: Shop, node: str, name: str = "engine") -> list[str]:
    pods = await shop.api.listed(f"/api/v1/namespaces/{shop.name}/pods?labelSelector=app={name}")
    return [one["metadata"]["name"] for one in pods if one["spec"].get("nodeName") == node]


async def spread(shop: Shop, replicas: int = 3) -> None:
    """Run the engine with a pod on node-1 at least."""
    described = deployment("engine", replicas)
    constraint = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    selects = {"labelSelector": {"matchLabels": {"app": "engine"}}}
    described["spec"]["template"]["spec"]["topologySpreadConstraints"] = [constraint | selects]
    await shop.api.create(shop.path("deployments", ""), described)
    await until(lambda: shop.has_ready(replicas), "the engine is Ready")
    assert await on_node(shop, "node-1")


async def test_a_node_is_empty_until_the_end(nodes: Shop, ledger: Ledger) -> None:
    await spread(nodes)
    count = len(await on_node(nodes, "node-1"))
    async with applied(drain(), nodes.endpoints(), ledger) as injection:
        assert injection.target == "nodes node-1"
        assert await cordoned(nodes) == ["node-1"]

        async def is_empty() -> bool:
            return not await on_node(nodes, "node-1") and await nodes.has_ready(3)

        await until(is_empty, "the pods run elsewhere")
        assert await injection.taken_back() == ""
    assert await cordoned(nodes) == []
    told = f"1 nodes take pods again; namespace {nodes.name}: {count} of {count} pods evicted, all 3 pods Ready"
    assert injection.outcome.startswith(told)
    await nodes.require_ready(3)


async def test_pods_that_a_budget_protects_stay_and_the_budget_is_named(nodes: Shop, ledger: Ledger) -> None:
    await spread(nodes)
    await nodes.budget(at_least=3)
    before = await nodes.pods()
    async with applied(drain(evict_within="0s"), nodes.endpoints(), ledger) as injection:
        assert await cordoned(nodes) == ["node-1"]
    assert await nodes.pods() == before
    assert "stays: The disruption budget engine-budget needs 3 healthy pods" in injection.outcome


async def test_an_eviction_is_asked_for_again_while_the_budget_refuses(nodes: Shop, ledger: Ledger) -> None:
    """Each eviction is allowed when the pod before is replaced."""
    await spread(nodes, replicas=4)
    await nodes.budget(at_least=3)
    assert len(await on_node(nodes, "node-1")) > 1
    async with applied(drain(evict_within="5m"), nodes.endpoints(), ledger):

        async def is_empty() -> bool:
            return not await on_node(nodes, "node-1")

        await until(is_empty, "the pods run elsewhere")


async def test_pods_of_daemon_sets_stay(nodes: Shop, ledger: Ledger) -> None:
    await spread(nodes)
    described = deployment("logs", 1)
    described["kind"] = "DaemonSet"
    del described["spec"]["replicas"]
    await nodes.api.create(nodes.path("daemonsets", ""), described)
    await until(lambda: nodes.has_ready(2, "logs"), "the logs are Ready")
    before = await nodes.pods("logs")
    async with applied(drain(), nodes.endpoints(), ledger):
        assert await nodes.pods("logs") == before


async def test_alertdrills_own_pod_stays(nodes: Shop, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    await spread(nodes)
    (own, *_) = await on_node(nodes, "node-1")
    monkeypatch.setenv("POD_NAME", own)
    monkeypatch.setenv("POD_NAMESPACE", nodes.name)
    await nodes.deploy("other", 4)
    assert await on_node(nodes, "node-1", "other")
    async with applied(drain(), nodes.endpoints(), ledger):

        async def is_empty_otherwise() -> bool:
            return not await on_node(nodes, "node-1", "other")

        await until(is_empty_otherwise, "the other pods run elsewhere")
        assert own in await on_node(nodes, "node-1")


async def test_a_node_without_pods_to_evict_is_refused(nodes: Shop) -> None:
    told = rf"no pod that may be evicted is on the nodes node-1: expected one of namespace {nodes.name} that is open"
    with pytest.raises(FaultNotApplied, match=told):
        await drain().resolve(nodes.endpoints(), "alertdrill-1")


async def test_pods_that_are_closed_to_drills_stay(nodes: Shop) -> None:
    await spread(nodes)
    await nodes.api.patch(f"/api/v1/namespaces/{nodes.name}", {"metadata": {"labels": dict.fromkeys(LABEL)}})
    with pytest.raises(FaultNotApplied, match="no pod that may be evicted is on the nodes node-1"):
        await drain().resolve(nodes.endpoints(), "alertdrill-1")


async def test_no_more_pods_are_evicted_than_agent_yml_allows(nodes: Shop) -> None:
    await spread(nodes)
    told = (
        r"3 pods of nodes node-1, node-2 in namespace .* are more than kubernetes.largest_share of agent.yml allows: 2"
    )
    both = drain(node=None, selector="type=kwok", most_nodes=2)
    with pytest.raises(FaultNotApplied, match=told):
        await both.resolve(nodes.endpoints(largest_share=0.7), "alertdrill-1")


async def test_a_namespace_that_agent_yml_does_not_list_is_refused(nodes: Shop) -> None:
    with pytest.raises(FaultNotApplied, match="namespace others is not open to drills"):
        await drain(namespaces=["others"]).resolve(nodes.endpoints(), "alertdrill-1")


async def test_heal_undoes_the_drain_of_a_killed_agent(nodes: Shop, tmp_path: Path) -> None:
    await spread(nodes)
    settings = {"kind": "drain", "node": "node-1", "evict_within": "0s"}
    agent = await KilledAgent.in_a_thread(tmp_path / "ledger", settings, kubernetes=nodes.opened())
    agent.kill()
    await agent.heal()
    assert await cordoned(nodes) == []
    await nodes.require_ready(3)
