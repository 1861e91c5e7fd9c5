"""Killed pods are replaced, and no other pods are touched."""

from __future__ import annotations

import re
from typing import Any

import pytest

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from tests.support.breaking import fault
from tests.support.cluster import Shop


def kill(shop: Shop, **settings: Any) -> Any:
    return fault(**{"kind": "kill_pods", "namespace": shop.name, "selector": "app=engine", **settings})


async def test_killed_pods_are_replaced_and_the_time_is_reported(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    before = await shop.pods()
    async with applied(kill(shop, count=2), shop.endpoints(), ledger) as injection:
        assert len(before - await shop.pods()) == 2
        assert await injection.taken_back() is None
    await shop.require_ready(3)
    assert len(before & await shop.pods()) == 1
    assert re.fullmatch(r"all 3 pods Ready, after \d+ s", injection.outcome)


@pytest.mark.parametrize(
    ("share", "killed"),
    [(0.5, 2), (1.0, 4), (0.01, 1)],
)
async def test_a_share_is_of_those_that_match_and_at_least_one(
    shop: Shop, ledger: Ledger, share: float, killed: int
) -> None:
    await shop.deploy(replicas=4)
    before = await shop.pods()
    async with applied(kill(shop, share=share, grace_period="0s"), shop.endpoints(), ledger):
        assert len(before - await shop.pods()) == killed


async def test_a_share_is_rounded_down_and_bounded(shop: Shop) -> None:
    await shop.deploy(replicas=7)

    async def chosen(**settings: Any) -> int:
        return len((await kill(shop, **settings).resolve(shop.endpoints(), "alertdrill-1")).pods)

    assert await chosen(share=0.5) == 3
    assert await chosen(share=0.5, max=2) == 2
    assert await chosen(share=0.5, max=5) == 3


async def test_a_seed_chooses_the_same_pods_again(shop: Shop) -> None:
    await shop.deploy(replicas=6)
    chosen = [
        await kill(shop, count=2, seed=seed).resolve(shop.endpoints(), "alertdrill-1") for seed in (7, 7, *range(9))
    ]
    assert chosen[0].pods == chosen[1].pods
    assert len({one.pods for one in chosen}) > 1


async def test_an_owner_means_its_own_pods_alone(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy("engine", replicas=2)
    await shop.deploy("cache", replicas=2)
    others = await shop.pods("cache")
    everything = kill(shop, selector=None, owner="deployment/engine", share=1.0)
    async with applied(everything, shop.endpoints(), ledger) as injection:
        assert len(injection.pods) == 2  # type: ignore[attr-defined]
    assert await shop.pods("cache") == others


async def test_an_owner_that_is_gone_replaces_nothing(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    owned = kill(shop, selector=None, owner="deployment/engine")
    async with applied(owned, shop.endpoints(), ledger) as injection:
        await shop.api.delete(shop.path("deployments"))
    assert injection.outcome == "deployment/engine was removed meanwhile"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"selector": "app=engin"}, "there is no pod of app=engin in namespace shop-"),
        ({"selector": None, "owner": "statefulset/engine"}, r"get statefulsets.apps engine .*not found"),
        ({"selector": "app in engine"}, "unable to parse requirement"),
        ({"count": 4}, "4 pods of app=engine in namespace shop-.*: there are 3"),
    ],
)
async def test_too_few_matching_pods_are_refused(shop: Shop, settings: dict[str, Any], told: str) -> None:
    await shop.deploy()
    before = await shop.pods()
    with pytest.raises(FaultNotApplied, match=told):
        await kill(shop, **settings).resolve(shop.endpoints(), "alertdrill-1")
    assert await shop.pods() == before


async def test_agent_yml_limits_the_share_that_is_hit(shop: Shop) -> None:
    await shop.deploy(replicas=4)
    half = shop.endpoints(largest_share=0.5)
    assert len((await kill(shop, share=0.5).resolve(half, "alertdrill-1")).pods) == 2
    with pytest.raises(FaultNotApplied, match=r"3 pods of .* are more than kubernetes.largest_share .* allows: 2"):
        await kill(shop, count=3).resolve(half, "alertdrill-1")
    assert len((await kill(shop).resolve(shop.endpoints(largest_share=0.01), "alertdrill-1")).pods) == 1


async def test_a_pod_without_a_controller_is_refused(shop: Shop) -> None:
    alone = {
        "metadata": {"name": "alone", "labels": {"app": "engine"}},
        "spec": {"containers": [{"name": "a", "image": "a"}]},
    }
    await shop.api.create(f"/api/v1/namespaces/{shop.name}/pods", alone)
    with pytest.raises(FaultNotApplied, match=r"pod alone of namespace .* has no controller: nothing would replace it"):
        await kill(shop).resolve(shop.endpoints(), "alertdrill-1")


async def test_a_pod_of_a_controller_that_may_not_replace_it_is_refused(shop: Shop) -> None:
    (owner,) = [one for one in await shop.api.listed("/api/v1/nodes") if one["metadata"]["name"] == "node-1"]
    reference = {
        "apiVersion": "v1",
        "kind": "Node",
        "name": "node-1",
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
    static = {
        "metadata": {"name": "static", "labels": {"app": "engine"}, "ownerReferences": [reference]},
        "spec": {"containers": [{"name": "a", "image": "a"}]},
    }
    await shop.api.create(f"/api/v1/namespaces/{shop.name}/pods", static)
    told = r"pod static of .* belongs to Node node-1, which may not replace it: expected one of ReplicaSet, "
    with pytest.raises(FaultNotApplied, match=told):
        await kill(shop).resolve(shop.endpoints(), "alertdrill-1")


async def test_a_pod_that_ended_is_not_confused_with_a_later_one_of_its_name(shop: Shop) -> None:
    await shop.deploy()
    injection = await kill(shop, grace_period="0s").resolve(shop.endpoints(), "alertdrill-1")
    await injection.inject()
    with pytest.raises(FaultNotApplied, match="ended by itself before the fault"):
        await injection.inject()
    await injection.undo()
