"""Nodes that accept no pods for a while."""

from __future__ import annotations

from typing import Any

import pytest

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.healing import heal
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.lab.kubernetes.files import node
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
    metadata = (await nodes.api.get("/api/v1/nodes/node-1"))["metadata"]
    left = [key for key in metadata["annotations"] | metadata["labels"] if key.startswith("alertdrill")]
    assert left == list(LABEL)


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"unschedulable": None}},
        {"metadata": {"labels": {"alertdrill.io/fault": "alertdrill-another"}}},
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
        again = {"metadata": {"labels": before["metadata"]["labels"]}, "spec": {"unschedulable": True}}
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


async def test_what_others_did_to_nodes_meanwhile_is_told(nodes: Shop, ledger: Ledger) -> None:
    await nodes.api.create("/api/v1/nodes", node("node-3") | {"metadata": {"name": "node-3", "labels": LABEL}})
    chosen = cordon(selector=",".join(f"{key}={value}" for key, value in LABEL.items()), most_nodes=3)
    async with applied(chosen, nodes.endpoints(), ledger) as injection:
        await nodes.api.patch("/api/v1/nodes/node-2", {"spec": {"unschedulable": None}})
        await nodes.api.delete("/api/v1/nodes/node-3")
    assert injection.outcome == (
        "1 nodes take pods again, somebody uncordoned node node-2 meanwhile, node node-3 was removed meanwhile"
    )


LOST = {"metadata": {"labels": dict.fromkeys(f"alertdrill.io/{key}" for key in ("fault", "owner", "since"))}}


async def test_a_cordoned_node_that_lost_its_mark_is_not_said_to_be_healed(nodes: Shop, ledger: Ledger) -> None:
    both = cordon(selector="type=kwok", most_nodes=2)
    with pytest.raises(FaultNotHealed, match=r"node node-1 is cordoned and has lost the mark.*kubectl uncordon node-1"):
        async with applied(both, nodes.endpoints(), ledger):
            await nodes.api.patch("/api/v1/nodes/node-1", LOST)
    # The other one was uncordoned all the same.
    assert await cordoned(nodes) == ["node-1"]
    await nodes.api.patch("/api/v1/nodes/node-1", {"spec": {"unschedulable": None}})
    ((entry_id, entry),) = ledger.read().entries.items()
    await heal(ledger, entry_id, entry, is_handed_over=True)


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
