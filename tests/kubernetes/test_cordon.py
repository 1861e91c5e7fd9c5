"""Nodes that accept no pods for a while."""

from __future__ import annotations

from typing import Any

import pytest

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from tests.support.breaking import fault
from tests.support.cluster import LABEL, Shop


def cordon(**settings: Any) -> Any:
    return fault(kind="cordon", **settings)


async def cordoned(shop: Shop) -> list[str]:
    found = await shop.api.listed("/api/v1/nodes")
    return sorted(one["metadata"]["name"] for one in found if one["spec"].get("unschedulable"))


async def test_a_node_takes_no_pods_until_the_end(nodes: Shop, ledger: Ledger) -> None:
    async with applied(cordon(node="node-1"), nodes.endpoints(), ledger) as injection:
        assert await cordoned(nodes) == ["node-1"]
    assert await cordoned(nodes) == []
    assert injection.outcome == "1 nodes take pods again"
    annotations = (await nodes.api.get("/api/v1/nodes/node-1"))["metadata"]["annotations"]
    assert not [key for key in annotations if key.startswith("alertdrill")]


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"unschedulable": None}},
        {"metadata": {"annotations": {"alertdrill.io/cordoned-by": "alertdrill-another"}}},
    ],
)
async def test_a_node_that_another_user_uncordoned_is_noticed(
    nodes: Shop, ledger: Ledger, change: dict[str, Any]
) -> None:
    both = cordon(selector="type=kwok", most_nodes=2)
    async with applied(both, nodes.endpoints(), ledger) as injection:
        assert await injection.taken_back() == ""
        before = await nodes.api.get("/api/v1/nodes/node-2")
        await nodes.api.patch("/api/v1/nodes/node-2", change)
        assert await injection.taken_back() == "node node-2 was uncordoned, or is gone"
        again = {"metadata": {"annotations": before["metadata"]["annotations"]}, "spec": {"unschedulable": True}}
        await nodes.api.patch("/api/v1/nodes/node-2", again)
        assert await injection.taken_back() == ""


async def test_a_node_that_was_cordoned_before_stays_cordoned(nodes: Shop, ledger: Ledger) -> None:
    await nodes.api.patch("/api/v1/nodes/node-1", {"spec": {"unschedulable": True}})
    async with applied(cordon(selector="type=kwok"), nodes.endpoints(), ledger) as injection:
        assert injection.target == "nodes node-2"
        assert await cordoned(nodes) == ["node-1", "node-2"]
    assert await cordoned(nodes) == ["node-1"]
    with pytest.raises(FaultNotApplied, match="all 1 nodes node-1 are cordoned already"):
        await cordon(node="node-1").resolve(nodes.endpoints(), "alertdrill-1")


async def test_a_node_cordoned_at_the_last_moment_stays_cordoned(nodes: Shop) -> None:
    injection = await cordon(node="node-1").resolve(nodes.endpoints(), "alertdrill-1")
    await nodes.api.patch("/api/v1/nodes/node-1", {"spec": {"unschedulable": True}})
    with pytest.raises(FaultNotApplied, match="node node-1 was cordoned before the fault"):
        await injection.inject()
    await injection.undo()
    assert await cordoned(nodes) == ["node-1"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"selector": "type=kwok"}, r"2 nodes match type=kwok, expected at most 1 \(most_nodes\): node-1, node-2"),
        ({"selector": "type=kwik"}, "there is no node type=kwik"),
        ({"node": "node-7"}, "there is no node node-7"),
    ],
)
async def test_none_and_too_many_are_refused(nodes: Shop, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(FaultNotApplied, match=told):
        await cordon(**settings).resolve(nodes.endpoints(), "alertdrill-1")


async def test_a_node_without_the_label_is_refused(nodes: Shop) -> None:
    await nodes.api.patch("/api/v1/nodes/node-2", {"metadata": {"labels": dict.fromkeys(LABEL)}})
    told = "nodes node-2 are not open to drills: they do not carry alertdrill.io/enabled=true"
    with pytest.raises(FaultNotApplied, match=told):
        await cordon(selector="type=kwok", most_nodes=2).resolve(nodes.endpoints(), "alertdrill-1")


async def test_without_the_role_for_nodes_the_missing_permissions_are_reported(shop: Shop) -> None:
    with pytest.raises(FaultNotApplied, match=r"not permitted to get nodes of the cluster, to list .*, to patch"):
        await cordon(node="node-1").resolve(shop.endpoints(), "alertdrill-1")
