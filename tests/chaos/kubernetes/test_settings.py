"""The Kubernetes settings of a drill and agent.yml are checked before any request to a cluster."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from alertdrill.chaos.cluster_access import PROTECTED, ClusterReach, Kubernetes
from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.guard import Guards
from alertdrill.chaos.kubernetes.kill_pods import KillPodsInjection
from alertdrill.chaos.kubernetes.pods import Pod
from tests.support.breaking import endpoints, fault

KILL = {"kind": "kill_pods", "namespace": "shop", "selector": "app=engine"}
PRESSURE = {"kind": "pressure", "namespace": "shop", "selector": "app=engine", "cpus": 1, "lasts": "1m"}
PARTITION = {"kind": "partition", "namespace": "shop", "selector": "app=engine"}
SCALE = {"kind": "scale", "namespace": "shop", "workload": "deployment/engine", "replicas": 0}


@pytest.mark.parametrize("namespace", PROTECTED)
def test_the_namespaces_of_kubernetes_itself_are_refused_everywhere(namespace: str) -> None:
    told = f"{namespace} belongs to Kubernetes and is never touched"
    with pytest.raises(ValidationError, match=told):
        Kubernetes(namespaces=("shop", namespace))
    for settings in (KILL, SCALE):
        with pytest.raises(ValidationError, match=told):
            fault(**settings | {"namespace": namespace})


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (KILL | {"owner": "deployment/engine"}, "expected either selector or owner"),
        ({"kind": "kill_pods", "namespace": "shop"}, "expected either selector or owner"),
        (KILL | {"count": 1, "share": 0.5}, "has both count and share, expected one of them"),
        (KILL | {"share": 1.5}, "less than or equal to 1"),
        (KILL | {"count": 0}, "greater than or equal to 1"),
        (KILL | {"share": 0.5, "max": 0}, "greater than or equal to 1"),
        (KILL | {"max": 3}, "has max without share, expected the share that it bounds"),
        (KILL | {"count": 1, "max": 3}, "has max without share, expected the share that it bounds"),
        (KILL | {"selector": ""}, "is blank, which would mean all: expected at least one requirement"),
        (KILL | {"selector": " \t\n"}, "is blank, which would mean all: expected at least one requirement"),
        (KILL | {"selector": None, "owner": "cronjob/nightly"}, "should match pattern"),
        (KILL | {"namespace": "shop/pods"}, "should match pattern"),
        (SCALE | {"workload": "daemonset/engine"}, "should match pattern"),
        (SCALE | {"workload": "deployment/../secrets"}, "should match pattern"),
        (SCALE | {"replicas": -1}, "greater than or equal to 0"),
        (PARTITION | {"owner": "deployment/engine"}, "expected either selector or owner"),
        (PARTITION | {"selector": "app in"}, "chooses no labels"),
        (PARTITION | {"still_allowed": ["ntp"]}, "Input should be 'dns'"),
        (PARTITION | {"still_allowed": [{}]}, "allows everything, expected namespace, pods, cidr or port"),
        (PARTITION | {"still_allowed": [{"cidr": "10.0.0.0/8", "pods": "a=b"}]}, "has cidr beside pods or namespace"),
        (PARTITION | {"still_allowed": [{"pods": "app>1"}]}, "chooses no labels"),
        (PRESSURE | {"lasts": "until-fired"}, "its container cannot be removed: expected a duration for lasts"),
        (PRESSURE | {"cpus": 0}, "takes nothing, expected cpus or mebibytes"),
        (PRESSURE | {"grace_period": "1s"}, "ends no pod, expected no grace_period"),
        ({"kind": "drain"}, "expected either selector or node"),
        ({"kind": "drain", "node": "node-1", "namespaces": ["kube-system"]}, "belongs to Kubernetes"),
        ({"kind": "cordon"}, "expected either selector or node"),
        ({"kind": "cordon", "selector": " "}, "is blank, which would mean all: expected at least one requirement"),
        ({"kind": "cordon", "node": "node-1", "selector": "a=b"}, "expected either selector or node"),
    ],
)
def test_ambiguous_settings_and_wrong_ranges_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        fault(**settings)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({}, "namespaces"),
        ({"namespaces": []}, "at least 1 item"),
        ({"namespaces": ["*"]}, "should match pattern"),
        ({"namespaces": ["shop"], "label": {}}, "at least 1 item"),
        ({"namespaces": ["shop"], "context": "staging"}, "has context without kubeconfig"),
    ],
)
def test_a_cluster_is_opened_namespace_by_namespace_and_with_a_label(written: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Kubernetes.model_validate(written)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty, expected at least one object"),
        ("- 1", "expected a mapping with apiVersion, kind and metadata"),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {}}", "has an object without name"),
        ("{kind: ConfigMap, metadata: {name: a}}", "has an object without apiVersion"),
        ("a: [", "cannot be read: line 2: is not YAML: "),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: other}}",
            "has ConfigMap a in namespace other, expected shop",
        ),
        (
            "{apiVersion: v1, kind: Secret, metadata: {name: a}}",
            "has Secret a: a drill's manifest lies in plain text beside the drill",
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: 3}}",
            r"has ConfigMap a whose labels are not a mapping, expected `labels: \{name: text\}`",
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, annotations: [b]}}",
            "has ConfigMap a whose annotations are not a mapping",
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {tier: 3}}}",
            r"has ConfigMap a with labels\.tier that is not text: put it in quotes",
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, annotations: {on: text}}}",
            r"has ConfigMap a with annotations\.True that is not text: put it in quotes",
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, uid: 1-2}}",
            r"has ConfigMap a with metadata\.uid, which only the API server sets: remove it",
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {days: [x, 2026-01-02]}}",
            r"has ConfigMap a with a date, bytes or a set at data\.days\[1\]: put the value in quotes",
        ),
        (
            "\n---\n".join(
                f"{{apiVersion: apps/{one}, kind: Deployment, metadata: {{name: a}}}}" for one in ("v1", "v2")
            ),
            "has Deployment a twice, expected each object once",
        ),
    ],
)
def test_a_malformed_manifest_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "manifest.yml"
    path.write_text(text)
    with pytest.raises(ValidationError, match=told):
        fault(kind="apply_manifest", namespace="shop", file=str(path))


@pytest.mark.parametrize(
    "text",
    [
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, annotations: {password: [hunter22]}}}",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: {password: hunter22}}}",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  password: *hunter22\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  password: !hunter22\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  password: !!int hunter22\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  password: 'hunter22\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {password: !!binary aHVudGVyMjI=}\n",
    ],
)
def test_no_error_repeats_what_a_manifest_holds(tmp_path: Path, text: str) -> None:
    path = tmp_path / "manifest.yml"
    path.write_text(text)
    with pytest.raises(ValidationError) as refused:
        fault(kind="apply_manifest", namespace="shop", file=str(path))
    assert "hunter22" not in refused.value.errors(include_input=False)[0]["msg"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"ready_when": "status.ready"}, "'status.ready' is not a field with a value, expected for example status"),
        ({"recovered_when": "=True"}, "is not a field with a value"),
        ({"ready_when": {"Pod": "status.phase=Running"}}, r"ready_when has Pod, expected kinds of .*: ConfigMap"),
    ],
)
def test_a_field_to_wait_for_has_a_path_a_value_and_an_object(
    tmp_path: Path, settings: dict[str, Any], told: str
) -> None:
    path = tmp_path / "manifest.yml"
    path.write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}")
    with pytest.raises(ValidationError, match=told):
        fault(kind="apply_manifest", namespace="shop", file=str(path), **settings)


def test_a_missing_manifest_is_reported() -> None:
    with pytest.raises(ValidationError, match=r"nowhere\.yml cannot be read"):
        fault(kind="apply_manifest", namespace="shop", file="nowhere.yml")


async def test_without_a_section_in_agent_yml_nothing_is_open() -> None:
    told = "no cluster is open to drills: agent.yml needs a section `kubernetes` that names it and its namespaces"
    with pytest.raises(FaultNotApplied, match=told):
        await fault(**KILL).resolve(endpoints(), "alertdrill-1")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, r"the kubeconfig .*kubeconfig is not there"),
        ("a: [", "the cluster of .* cannot be used"),
        ("{}", "the cluster of .* cannot be used"),
        ("{clusters: [], contexts: [], users: [], current-context: x}", "the cluster of .* cannot be used"),
    ],
)
async def test_an_unusable_kubeconfig_is_reported(tmp_path: Path, text: str | None, told: str) -> None:
    if text is not None:
        (tmp_path / "kubeconfig").write_text(text)
    where = {"kubeconfig": str(tmp_path / "kubeconfig"), "namespaces": ["shop"]}
    with pytest.raises(FaultNotApplied, match=told):
        await fault(**KILL).resolve(endpoints(kubernetes=where), "alertdrill-1")


async def test_outside_of_a_cluster_a_kubeconfig_is_required() -> None:
    told = "the cluster that alertdrill runs in cannot be used: .*`kubeconfig` of agent.yml names a cluster"
    with pytest.raises(FaultNotApplied, match=told):
        await fault(**KILL).resolve(endpoints(kubernetes={"namespaces": ["shop"]}), "alertdrill-1")


def test_guards_see_every_pod_although_only_the_first_are_named() -> None:
    pods = tuple(Pod(name=f"engine-{n}", uid=str(n)) for n in range(5000))
    where = {"name": "alertdrill-1", "reach": ClusterReach(), "namespace": "shop", "hits": ()}
    injection = KillPodsInjection(**where, pods=pods, grace_period=None, ready_within=timedelta(minutes=2))
    assert injection.target == ("namespace shop: pods engine-0, engine-1, engine-2, engine-3, engine-4 and 4,995 more")
    written = "namespace shop: pods of app=engine"
    assert not Guards(forbidden=("*billing*",)).target_problem(written, injection.full_target)
    problem = Guards(forbidden=("*engine-4321,*",)).target_problem(written, injection.full_target)
    assert problem.endswith("… is forbidden by guards.forbidden: '*engine-4321,*'")
    assert len(problem) < 300


@pytest.mark.parametrize(
    ("one", "other"),
    [(KILL, PARTITION | {"namespace": "bank"}), ({"kind": "cordon", "node": "node-1"}, PRESSURE)],
)
def test_drills_of_two_parts_of_a_cluster_do_not_exclude_each_other(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert not _servers(one) & _servers(other)


@pytest.mark.parametrize(
    ("one", "other"), [(KILL, SCALE), ({"kind": "cordon", "node": "node-1"}, {"kind": "drain", "node": "node-2"})]
)
def test_drills_of_one_part_of_a_cluster_exclude_each_other(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert _servers(one) & _servers(other)


def _servers(settings: dict[str, Any]) -> frozenset[str]:
    return fault(**settings).servers(endpoints(kubernetes={"namespaces": ["shop", "bank"]}))
