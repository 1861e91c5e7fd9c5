"""Pods that are cut off from the network by a policy of the fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from tests.kubernetes.test_apply_manifest import deny, path_of, policies
from tests.support.breaking import KilledAgent, fault
from tests.support.cluster import LABEL, Shop

ENGINE = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["engine"]}]}


def partition(shop: Shop, **settings: Any) -> Any:
    return fault(**{"kind": "partition", "namespace": shop.name, "selector": "app=engine", **settings})


async def test_pods_are_cut_off_until_the_end(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    async with applied(partition(shop), shop.endpoints(), ledger) as injection:
        assert injection.target == f"namespace {shop.name}: pods of app=engine"
        ((name,), policy) = await policies(shop), await shop.api.get(path_of(shop, injection.name))  # type: ignore[attr-defined]
        assert name == injection.name  # type: ignore[attr-defined]
        assert policy["spec"] == {"podSelector": ENGINE, "policyTypes": ["Ingress", "Egress"]}
        assert policy["metadata"]["labels"]["alertdrill.io/fault"] == name
        assert await injection.taken_back() == ""
        await shop.api.delete(path_of(shop, name))
        assert await injection.taken_back() == f"NetworkPolicy {name} was removed"
    assert await policies(shop) == []


async def test_what_is_still_allowed_stands_in_the_policy(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    still_allowed = [
        "dns",
        {"namespace": "monitoring", "pods": "app=prometheus", "port": 9090},
        {"cidr": "10.1.0.0/16"},
    ]
    cut = partition(shop, selector=None, owner="deployment/engine", still_allowed=still_allowed)
    async with applied(cut, shop.endpoints(), ledger) as injection:
        policy = await shop.api.get(path_of(shop, injection.name))  # type: ignore[attr-defined]
    peer = {
        "podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["prometheus"]}]},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
    }
    port, block = [{"protocol": "TCP", "port": 9090}], {"ipBlock": {"cidr": "10.1.0.0/16"}}
    assert policy["spec"] == {
        "podSelector": {"matchLabels": {"app": "engine"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [peer], "ports": port}, {"from": [block]}],
        "egress": [
            {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]},
            {"to": [peer], "ports": port},
            {"to": [block]},
        ],
    }


async def test_one_direction_is_cut_alone(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    async with applied(partition(shop, direction="egress"), shop.endpoints(), ledger) as injection:
        policy = await shop.api.get(path_of(shop, injection.name))  # type: ignore[attr-defined]
        assert policy["spec"]["policyTypes"] == ["Egress"]


async def test_a_policy_that_would_go_on_allowing_is_named(shop: Shop) -> None:
    await shop.deploy()
    (theirs,) = deny("metrics", podSelector={"matchLabels": {"app": "engine"}}, ingress=[{}])
    others = deny("shop", podSelector={"matchLabels": {"app": "shop"}}, ingress=[{}])
    for policy in (theirs, *others, *deny("all")):
        await shop.api.create(path_of(shop), policy)
    told = (
        r"NetworkPolicy metrics of namespace .* allows ingress of these pods, .* policies add up: .*keeps: \[metrics\]"
    )
    with pytest.raises(FaultNotApplied, match=told):
        await partition(shop).resolve(shop.endpoints(), "alertdrill-1")
    await partition(shop, direction="egress").resolve(shop.endpoints(), "alertdrill-1")
    await partition(shop, keeps=["metrics"]).resolve(shop.endpoints(), "alertdrill-1")


async def test_pods_that_are_closed_to_drills_are_not_cut_off(shop: Shop) -> None:
    await shop.deploy()
    await shop.api.patch(f"/api/v1/namespaces/{shop.name}", {"metadata": {"labels": dict.fromkeys(LABEL)}})
    pods = f"/api/v1/namespaces/{shop.name}/pods"
    (first, *_) = [one["metadata"]["name"] for one in await shop.api.listed(pods)]
    await shop.api.patch(f"{pods}/{first}", {"metadata": {"labels": LABEL}})
    with pytest.raises(FaultNotApplied, match=r"2 of the 3 pods of app=engine are not open to drills"):
        await partition(shop).resolve(shop.endpoints(), "alertdrill-1")


async def test_alertdrills_own_pod_is_not_cut_off(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.deploy()
    (own, *_) = await shop.api.listed(f"/api/v1/namespaces/{shop.name}/pods")
    monkeypatch.setenv("POD_NAME", own["metadata"]["name"])
    monkeypatch.setenv("POD_NAMESPACE", shop.name)
    told = "app=engine chooses pods of alertdrill itself or of its Toxiproxy, which are never cut off"
    with pytest.raises(FaultNotApplied, match=told):
        await partition(shop).resolve(shop.endpoints(), "alertdrill-1")


async def test_no_pods_and_a_missing_owner_are_reported(shop: Shop) -> None:
    with pytest.raises(FaultNotApplied, match="there is no pod of app=engine in namespace shop-"):
        await partition(shop).resolve(shop.endpoints(), "alertdrill-1")
    with pytest.raises(FaultNotApplied, match=r"get deployments.apps engine in namespace .* not found"):
        await partition(shop, selector=None, owner="deployment/engine").resolve(shop.endpoints(), "alertdrill-1")


async def test_a_second_agent_is_refused_and_told_who_cut_the_pods_off(shop: Shop, tmp_path: Path) -> None:
    await shop.deploy()
    cut = {"kind": "partition", "namespace": shop.name, "selector": "app=engine"}
    agent = await KilledAgent.in_a_thread(tmp_path / "ledger", cut, kubernetes=shop.opened())
    told = (
        f"networkpolicies.networking.k8s.io alertdrill-.* is held by the fault alertdrill-.* of process {agent.pid} on "
    )
    with pytest.raises(FaultNotApplied, match=told):
        await partition(shop).resolve(shop.endpoints(), "alertdrill-1")
    agent.kill()
    await agent.heal()
    assert await policies(shop) == []
