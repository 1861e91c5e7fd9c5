"""Objects that are created for a drill and removed after it."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest
import yaml

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from tests.support.breaking import KilledAgent, fault
from tests.support.cluster import Shop, deployment
from tests.support.waiting import until

DENY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny-all"},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
}


def apply(shop: Shop, tmp_path: Path, *objects: dict[str, Any], **settings: Any) -> Any:
    path = tmp_path / "manifest.yml"
    path.write_text(yaml.safe_dump_all(objects))
    return fault(kind="apply_manifest", namespace=shop.name, file=str(path), **settings)


def deny(*names: str, **spec: Any) -> list[dict[str, Any]]:
    return [DENY | {"metadata": {"name": name}, "spec": DENY["spec"] | spec} for name in names]


async def replace(shop: Shop, path: str, body: dict[str, Any]) -> Any:
    """Write all of an object anew, as `kubectl replace` does with a file."""
    return await shop.api.call("PUT", path, body)


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


def path_of(shop: Shop, name: str = "") -> str:
    return f"/apis/networking.k8s.io/v1/namespaces/{shop.name}/networkpolicies/{name}".rstrip("/")


async def test_an_object_that_lost_its_label_is_still_the_faults(shop: Shop, ledger: Ledger, tmp_path: Path) -> None:
    async with applied(apply(shop, tmp_path, DENY), shop.endpoints(), ledger) as injection:
        await replace(shop, path_of(shop, "deny-all"), DENY)
        assert "labels" not in (await shop.api.get(path_of(shop, "deny-all")))["metadata"]
        assert await injection.taken_back() == ""
    assert await policies(shop) == []
    assert injection.outcome == "NetworkPolicy deny-all removed"


async def test_what_others_did_to_an_object_is_told(shop: Shop, ledger: Ledger, tmp_path: Path) -> None:
    broken = apply(shop, tmp_path, *deny("first", "second", "third"))
    async with applied(broken, shop.endpoints(), ledger) as injection:
        await shop.api.delete(path_of(shop, "second"))
        await shop.api.delete(path_of(shop, "third"))
        await shop.api.create(path_of(shop), deny("third")[0])
    assert await policies(shop) == ["third"]
    assert injection.outcome == (
        "NetworkPolicy first removed, NetworkPolicy second was gone already,"
        " NetworkPolicy third was replaced by another one, which stays"
    )


async def test_a_killed_agents_object_is_known_without_its_label(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "deny-all.yml").write_text(yaml.safe_dump(DENY))
    settings = {"kind": "apply_manifest", "namespace": shop.name, "file": str(tmp_path / "deny-all.yml")}
    agent = await KilledAgent.in_a_thread(tmp_path / "ledger", settings, kubernetes=shop.opened())
    agent.kill()
    # Nothing is left of what the fault wrote, not even in the notes on who set which field.
    await replace(shop, path_of(shop, "deny-all"), DENY | {"metadata": {"name": "deny-all", "managedFields": [{}]}})
    await agent.heal()
    assert await policies(shop) == []


@pytest.mark.parametrize("notes", [{}, {"managedFields": [{}]}], ids=["notes-on-fields", "no-notes-on-fields"])
async def test_an_object_whose_uid_was_not_recorded_is_removed_only_if_it_names_the_fault(
    shop: Shop, tmp_path: Path, notes: dict[str, Any]
) -> None:
    """The agent was killed after it created the object and before it recorded that."""
    injection = await apply(shop, tmp_path, DENY).resolve(shop.endpoints(), "alertdrill-1")
    recorded = injection.model_dump_json()
    await injection.inject()
    await replace(shop, path_of(shop, "deny-all"), DENY | {"metadata": {"name": "deny-all"} | notes})
    found_later = type(injection).model_validate_json(recorded)
    await found_later.undo()
    assert await policies(shop) == (["deny-all"] if notes else [])
    assert found_later.outcome == (
        "NetworkPolicy deny-all stays, because nothing shows that the fault made it: the ledger has no uid of it,"
        " and neither its labels nor its managed fields name alertdrill-1"
        if notes
        else "NetworkPolicy deny-all removed"
    )
    await injection.undo()
    assert await policies(shop) == []


async def test_an_entry_of_an_older_version_is_undone(shop: Shop, tmp_path: Path) -> None:
    injection = await apply(shop, tmp_path, DENY).resolve(shop.endpoints(), "alertdrill-1")
    await injection.inject()
    written = injection.model_dump(mode="json", include={"kind", "name", "reach", "namespace", "gone_within"})
    objects = [{"place": one.place.model_dump(), "body": DENY} for one in injection.objects]
    await type(injection).model_validate(written | {"objects": objects}).undo()
    assert await policies(shop) == []


async def test_what_an_object_owns_is_gone_with_it(shop: Shop, ledger: Ledger, tmp_path: Path) -> None:
    await shop.permit("apps", ["deployments"], ["create", "delete"])
    async with applied(apply(shop, tmp_path, deployment("load", 2)), shop.endpoints(), ledger):
        await until(lambda: shop.has_ready(2, "load"), "the load runs")
    assert await shop.api.listed(shop.path("deployments", "")) == []
    assert await shop.api.listed(shop.path("replicasets", "")) == []
    assert await shop.pods("load") == set()


async def test_what_a_manifest_holds_stands_nowhere_else(shop: Shop, ledger: Ledger, tmp_path: Path) -> None:
    await shop.permit("", ["configmaps"], ["get", "create", "delete"])
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "annotations": {"login": "hunter22"}},
        "data": {"password": "hunter22", "properties": "a=b\npassword=hunter22\n"},
    }
    broken = apply(shop, tmp_path, config)
    async with applied(broken, shop.endpoints(), ledger) as injection:
        (entry,) = ledger.directory.glob("*.json")
        shown = [entry.read_text(), repr(injection), injection.target, repr(broken), broken.target]
        assert not [text for text in shown if "hunter22" in text]
        assert entry.stat().st_mode & 0o777 == 0o600
    assert "hunter22" not in injection.outcome


async def test_a_refusal_by_the_api_server_repeats_no_value_and_comes_before_the_fault(
    shop: Shop, tmp_path: Path
) -> None:
    bad = deny("bad", podSelector={"matchLabels": {"app": "hunter22 !"}})
    told = (
        rf"the API server refuses NetworkPolicy bad of namespace {shop.name} \(422\); .* is not shown here:"
        rf" kubectl apply --dry-run=server -n {shop.name} -f .*manifest.yml shows it"
    )
    with pytest.raises(FaultNotApplied, match=told) as refused:
        await apply(shop, tmp_path, *deny("good"), *bad).resolve(shop.endpoints(), "alertdrill-1")
    shown = "".join(traceback.format_exception(refused.value))
    assert "hunter22" not in shown
    assert await policies(shop) == []


def mine() -> dict[str, Any]:
    """Describe a policy of others that lets nothing in."""
    (policy,) = deny("mine", podSelector={"matchLabels": {"app": "engine"}}, policyTypes=["Ingress"])
    return policy


def opening(**metadata: Any) -> dict[str, Any]:
    """Describe the change that lets everything in."""
    return DENY | {"metadata": {"name": "mine"} | metadata, "spec": {"ingress": [{}]}}


async def test_an_object_of_others_is_changed_and_changed_back(shop: Shop, ledger: Ledger, tmp_path: Path) -> None:
    before = await shop.api.create(path_of(shop), mine())
    broken = apply(shop, tmp_path, opening(annotations={"by": "drill"}), DENY, existing="change")
    async with applied(broken, shop.endpoints(), ledger) as injection:
        now = await shop.api.get(path_of(shop, "mine"))
        assert now["spec"] == before["spec"] | {"ingress": [{}]}
        assert await injection.taken_back() == ""
        await shop.api.patch(path_of(shop, "mine"), {"metadata": {"annotations": {"theirs": "kept"}}})
        assert await injection.taken_back() == ""
    after = await shop.api.get(path_of(shop, "mine"))
    assert after["spec"] == before["spec"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["metadata"]["annotations"] == {"theirs": "kept"}
    assert not after["metadata"].get("labels")
    assert await policies(shop) == ["mine"]
    assert injection.outcome == "NetworkPolicy deny-all removed, NetworkPolicy mine changed back"


async def test_a_field_of_others_is_never_taken_and_its_owner_is_named(shop: Shop, tmp_path: Path) -> None:
    before = await shop.api.call("POST", f"{path_of(shop)}?fieldManager=gitops", mine())
    told = (
        rf"NetworkPolicy mine of namespace {shop.name} has fields that belong to others: .*"
        r'conflict with "gitops" using networking.k8s.io/v1: \.spec\.podSelector$'
    )
    with pytest.raises(FaultNotApplied, match=told):
        await apply(shop, tmp_path, *deny("mine", policyTypes=["Ingress"]), existing="change").resolve(
            shop.endpoints(), "alertdrill-1"
        )
    assert await shop.api.get(path_of(shop, "mine")) == before


async def test_a_field_that_others_took_from_the_fault_is_noticed_and_stays(
    shop: Shop, ledger: Ledger, tmp_path: Path
) -> None:
    await shop.api.create(path_of(shop), mine())
    theirs = [{"ports": [{"port": 80, "protocol": "TCP"}]}]
    async with applied(apply(shop, tmp_path, opening(), existing="change"), shop.endpoints(), ledger) as injection:
        await shop.api.patch(path_of(shop, "mine"), {"spec": {"ingress": theirs}})
        told = "NetworkPolicy mine was changed by others, who have taken fields of the fault"
        assert await injection.taken_back() == told
    assert (await shop.api.get(path_of(shop, "mine")))["spec"]["ingress"] == theirs


async def test_a_killed_agents_change_is_changed_back(shop: Shop, tmp_path: Path) -> None:
    before = await shop.api.create(path_of(shop), mine())
    (tmp_path / "change.yml").write_text(yaml.safe_dump(opening()))
    settings = {"kind": "apply_manifest", "namespace": shop.name, "file": str(tmp_path / "change.yml")}
    agent = await KilledAgent.in_a_thread(
        tmp_path / "ledger", settings | {"existing": "change"}, kubernetes=shop.opened()
    )
    agent.kill()
    assert (await shop.api.get(path_of(shop, "mine")))["spec"]["ingress"] == [{}]
    await agent.heal()
    assert (await shop.api.get(path_of(shop, "mine")))["spec"] == before["spec"]
