"""The role in configs/ permits every fault, as the other tests show, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.lab.kubernetes.api import ApiRefused, KubernetesApi
from tests.support.breaking import fault
from tests.support.cluster import LABEL, Shop

ROLE = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles/alertdrill"
KILL = {"kind": "kill_pods", "selector": "app=engine"}
FAULTS: dict[str, dict[str, Any]] = {
    "delete pods in namespace": KILL,
    "create pods/eviction in namespace": {"kind": "evict_pods", "selector": "app=engine"},
    "patch deployments.apps/scale engine in namespace": {
        "kind": "scale",
        "workload": "deployment/engine",
        "replicas": 0,
    },
    "patch deployments.apps engine in namespace": {"kind": "restart_rollout", "workload": "deployment/engine"},
    "create networkpolicies.networking.k8s.io in namespace": {"kind": "partition", "selector": "app=engine"},
}

# Other faults that need the same permissions, or a role of their own.
MORE: list[dict[str, Any]] = [
    {"kind": "rollout_bad_image", "workload": "deployment/engine"},
    {"kind": "pressure", "owner": "deployment/engine", "cpus": 1, "lasts": "1m"},
]


@pytest.mark.parametrize("missing", FAULTS)
async def test_a_missing_permission_is_reported_before_anything_is_broken(shop: Shop, missing: str) -> None:
    await shop.deploy()
    before = await shop.pods(), (await shop.workload())["spec"]
    role = await shop.role()
    verb = missing.split(maxsplit=1)[0]
    rules = [rule | {"verbs": [one for one in rule["verbs"] if one != verb]} for rule in role["rules"]]
    await shop.set_rules([rule for rule in rules if rule["verbs"]])
    with pytest.raises(
        FaultNotApplied, match=f"not permitted to {missing} {shop.name}: the role of alertdrill needs that"
    ):
        await fault(namespace=shop.name, **FAULTS[missing]).resolve(shop.endpoints(), "alertdrill-1")
    assert (await shop.pods(), (await shop.workload())["spec"]) == before


async def test_a_permission_removed_meanwhile_is_reported_by_its_verb(shop: Shop) -> None:
    await shop.deploy()
    scale = fault(namespace=shop.name, **FAULTS["patch deployments.apps/scale engine in namespace"])
    injection = await scale.resolve(shop.endpoints(), "alertdrill-1")
    await shop.set_rules([])
    told = rf"not permitted to get deployments\.apps/scale engine in namespace {shop.name}: .*alertdrill"
    with pytest.raises(FaultNotApplied, match=told):
        await injection.inject()
    with pytest.raises(FaultNotHealed, match=told.replace("/scale", "")):
        await injection.undo()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/namespaces/others/pods"),
        ("GET", "/api/v1/namespaces/kube-system/pods"),
        ("GET", "/api/v1/pods"),
        ("GET", "/api/v1/nodes"),
        ("GET", "/api/v1/namespaces"),
        ("GET", "/api/v1/namespaces/others"),
        ("GET", "/api/v1/namespaces/{}/secrets"),
        ("GET", "/api/v1/namespaces/{}/configmaps"),
        ("GET", "/api/v1/namespaces/{}/pods/engine/log"),
        ("POST", "/api/v1/namespaces/{}/pods/engine/exec"),
        ("POST", "/api/v1/namespaces/{}/pods"),
        ("POST", "/apis/apps/v1/namespaces/{}/deployments"),
        ("DELETE", "/apis/apps/v1/namespaces/{}/deployments/engine"),
        ("DELETE", "/api/v1/namespaces/{}"),
        ("PATCH", "/api/v1/namespaces/{}"),
        ("POST", "/api/v1/namespaces/{}/serviceaccounts/alertdrill/token"),
        ("PATCH", ROLE),
        ("DELETE", "/api/v1/namespaces/others/pods/engine"),
        ("POST", "/api/v1/namespaces/others/pods/engine/eviction"),
    ],
)
async def test_the_shipped_role_lets_nothing_else_happen(shop: Shop, method: str, path: str) -> None:
    async with KubernetesApi(shop.kubeconfig) as ours:
        with pytest.raises(ApiRefused) as refused:
            await ours.call(method, path.format(shop.name), {} if method != "GET" else None)
    assert refused.value.status == 403


@pytest.mark.parametrize("namespace", ["others", "default"])
async def test_a_namespace_that_agent_yml_does_not_list_is_refused(shop: Shop, namespace: str) -> None:
    told = f"namespace {namespace} is not open to drills: kubernetes.namespaces of agent.yml has {shop.name}"
    for settings in [*FAULTS.values(), *MORE]:
        with pytest.raises(FaultNotApplied, match=told):
            await fault(namespace=namespace, **settings).resolve(shop.endpoints(), "alertdrill-1")


async def test_a_namespace_without_the_label_is_refused(shop: Shop) -> None:
    await shop.deploy()
    await shop.apply("rbac-pressure.yml")
    await shop.api.patch(f"/api/v1/namespaces/{shop.name}", {"metadata": {"labels": dict.fromkeys(LABEL)}})
    told = rf"neither (they|it) nor namespace {shop.name} carr(y|ies) alertdrill\.io/enabled=true"
    for settings in [*FAULTS.values(), *MORE]:
        with pytest.raises(FaultNotApplied, match=told):
            await fault(namespace=shop.name, **settings).resolve(shop.endpoints(), "alertdrill-1")


async def test_in_a_namespace_without_the_label_only_pods_that_carry_it_are_hit(shop: Shop) -> None:
    await shop.deploy()
    await shop.api.patch(f"/api/v1/namespaces/{shop.name}", {"metadata": {"labels": dict.fromkeys(LABEL)}})
    pods = f"/api/v1/namespaces/{shop.name}/pods"
    (first, *_) = [one["metadata"]["name"] for one in await shop.api.listed(pods)]
    await shop.api.patch(f"{pods}/{first}", {"metadata": {"labels": LABEL}})
    injection = await fault(namespace=shop.name, share=1.0, **KILL).resolve(shop.endpoints(), "alertdrill-1")
    assert [pod.name for pod in injection.pods] == [first]  # type: ignore[attr-defined]


async def test_a_workload_that_carries_the_label_itself_is_open(shop: Shop) -> None:
    await shop.deploy(labels=LABEL)
    await shop.api.patch(f"/api/v1/namespaces/{shop.name}", {"metadata": {"labels": dict.fromkeys(LABEL)}})
    scale = FAULTS["patch deployments.apps/scale engine in namespace"]
    injection = await fault(namespace=shop.name, **scale).resolve(shop.endpoints(), "alertdrill-1")
    assert "from 3 to 0 replicas" in injection.target


async def test_an_unknown_token_is_reported(shop: Shop) -> None:
    kubeconfig = shop.kubeconfig.read_text()
    shop.kubeconfig.write_text(kubeconfig.replace('"token": "', '"token": "not'))
    with pytest.raises(FaultNotApplied, match="the API server rejects the credentials: Unauthorized"):
        await fault(namespace=shop.name, **KILL).resolve(shop.endpoints(), "alertdrill-1")
