"""Objects that are created for a drill and removed after it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.healing import heal
from alertdrill.chaos.safety.ledger import Ledger
from tests.support.breaking import fault
from tests.support.cluster import Shop
from tests.support.waiting import until

DENY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny-all"},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
}
# A resource definition like that of Chaos Mesh, as short as the API server accepts.
NETWORK_CHAOS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "networkchaos.chaos-mesh.org", "annotations": {"api-approved.kubernetes.io": "unapproved"}},
    "spec": {
        "group": "chaos-mesh.org",
        "names": {"kind": "NetworkChaos", "plural": "networkchaos", "singular": "networkchaos"},
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
DELAY = {
    "apiVersion": "chaos-mesh.org/v1alpha1",
    "kind": "NetworkChaos",
    # Chaos Mesh puts such a finalizer on objects that it must clean up itself.
    "metadata": {"name": "delay", "finalizers": ["chaos-mesh/records"]},
    "spec": {"action": "delay", "mode": "all", "selector": {"labelSelectors": {"app": "engine"}}},
}


def apply(shop: Shop, tmp_path: Path, *objects: dict[str, Any], **settings: Any) -> Any:
    path = tmp_path / "manifest.yml"
    path.write_text(yaml.safe_dump_all(objects))
    return fault(kind="apply_manifest", namespace=shop.name, file=str(path), **settings)


async def policies(shop: Shop) -> list[str]:
    found = await shop.api.listed(f"/apis/networking.k8s.io/v1/namespaces/{shop.name}/networkpolicies")
    return [one["metadata"]["name"] for one in found]


async def test_the_objects_of_a_manifest_exist_until_the_end(shop: Shop, ledger: Ledger, tmp_path: Path) -> None:
    another = DENY | {"metadata": {"name": "deny-some", "namespace": shop.name}}
    async with applied(apply(shop, tmp_path, DENY, another), shop.endpoints(), ledger) as injection:
        assert injection.target == f"namespace {shop.name}: NetworkPolicy deny-all, NetworkPolicy deny-some"
        assert await policies(shop) == ["deny-all", "deny-some"]
    assert await policies(shop) == []
    assert injection.outcome == "NetworkPolicy deny-all, NetworkPolicy deny-some removed"


async def test_an_object_that_somebody_removed_or_replaced_is_noticed(
    shop: Shop, ledger: Ledger, tmp_path: Path
) -> None:
    path = f"/apis/networking.k8s.io/v1/namespaces/{shop.name}/networkpolicies"
    another = DENY | {"metadata": {"name": "deny-some"}}
    async with applied(apply(shop, tmp_path, DENY, another), shop.endpoints(), ledger) as injection:
        assert await injection.taken_back() == ""
        await shop.api.delete(f"{path}/deny-some")
        assert await injection.taken_back() == "NetworkPolicy deny-some was removed"
        theirs = await shop.api.create(path, another)
        assert await injection.taken_back() == "NetworkPolicy deny-some was replaced by another one"
    assert await policies(shop) == ["deny-some"]
    assert await shop.api.get(f"{path}/deny-some") == theirs


async def test_an_object_that_is_being_removed_is_noticed(shop: Shop, ledger: Ledger, tmp_path: Path) -> None:
    path = f"/apis/networking.k8s.io/v1/namespaces/{shop.name}/networkpolicies"
    held = DENY | {"metadata": {"name": "deny-all", "finalizers": ["example.com/held"]}}
    async with applied(apply(shop, tmp_path, held), shop.endpoints(), ledger) as injection:
        assert await injection.taken_back() == ""
        await shop.api.delete(f"{path}/deny-all")
        assert await injection.taken_back() == "NetworkPolicy deny-all is being removed"
        await shop.api.patch(f"{path}/deny-all", {"metadata": {"finalizers": None}})


async def test_an_existing_object_is_never_overwritten(shop: Shop, tmp_path: Path) -> None:
    path = f"/apis/networking.k8s.io/v1/namespaces/{shop.name}/networkpolicies"
    theirs = await shop.api.create(path, DENY)
    with pytest.raises(
        FaultNotApplied, match=r"NetworkPolicy deny-all exists in namespace .* already, and is left as it is"
    ):
        await apply(shop, tmp_path, DENY).resolve(shop.endpoints(), "alertdrill-1")
    assert await shop.api.get(f"{path}/deny-all") == theirs


async def test_an_object_made_at_the_last_moment_stays(shop: Shop, tmp_path: Path) -> None:
    path = f"/apis/networking.k8s.io/v1/namespaces/{shop.name}/networkpolicies"
    another = DENY | {"metadata": {"name": "another"}}
    injection = await apply(shop, tmp_path, another, DENY).resolve(shop.endpoints(), "alertdrill-1")
    theirs = await shop.api.create(path, DENY)
    with pytest.raises(FaultNotApplied, match="NetworkPolicy deny-all exists in namespace"):
        await injection.inject()
    assert await policies(shop) == ["another", "deny-all"]
    await injection.undo()
    assert await policies(shop) == ["deny-all"]
    assert await shop.api.get(f"{path}/deny-all") == theirs


async def test_the_undo_waits_until_a_resource_of_chaos_mesh_is_gone(shop: Shop, tmp_path: Path) -> None:
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    chaos = f"/apis/chaos-mesh.org/v1alpha1/namespaces/{shop.name}/networkchaos"
    with pytest.raises(FaultNotApplied, match=r"the cluster has no NetworkChaos in chaos-mesh.org/v1alpha1"):
        await apply(shop, tmp_path, DELAY).resolve(shop.endpoints(), "alertdrill-1")
    await shop.api.create(definitions, NETWORK_CHAOS)
    await shop.api.until(chaos, 60)
    ledger = Ledger(tmp_path / "ledger")
    waits = pytest.raises(FaultNotHealed, match=r"NetworkChaos delay .* waiting for chaos-mesh/records, after 0.5 s")
    with waits:
        async with applied(apply(shop, tmp_path, DELAY, gone_within="500ms"), shop.endpoints(), ledger):
            assert [one["metadata"]["name"] for one in await shop.api.listed(chaos)] == ["delay"]
    ((entry_id, entry),) = ledger.read().entries.items()
    healing = asyncio.create_task(heal(ledger, entry_id, entry, is_handed_over=True))
    await shop.api.patch(f"{chaos}/delay", {"metadata": {"finalizers": None}})
    await healing
    assert await shop.api.listed(chaos) == []
    await shop.api.delete(f"{definitions}/networkchaos.chaos-mesh.org")


async def test_an_object_that_lost_the_faults_label_stays(shop: Shop, ledger: Ledger, tmp_path: Path) -> None:
    path = f"/apis/networking.k8s.io/v1/namespaces/{shop.name}/networkpolicies"
    async with applied(apply(shop, tmp_path, DENY), shop.endpoints(), ledger):
        await shop.api.delete(f"{path}/deny-all")
        theirs = await shop.api.create(path, DENY)
    assert await shop.api.get(f"{path}/deny-all") == theirs


async def test_a_kind_of_the_whole_cluster_is_refused(shop: Shop, tmp_path: Path) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-9"}}
    with pytest.raises(
        FaultNotApplied, match="Node belongs to the whole cluster, expected a kind that belongs to a namespace"
    ):
        await apply(shop, tmp_path, node).resolve(shop.endpoints(), "alertdrill-1")


async def test_a_kind_that_the_role_does_not_name_is_refused(shop: Shop, tmp_path: Path) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    told = r"not permitted to get configmaps settings in namespace .*, to delete .*, to create configmaps in namespace"
    with pytest.raises(FaultNotApplied, match=told):
        await apply(shop, tmp_path, config).resolve(shop.endpoints(), "alertdrill-1")
    await until(lambda: shop.has_ready(0), "nothing was made")
