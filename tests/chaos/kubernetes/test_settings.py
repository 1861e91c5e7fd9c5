"""The Kubernetes settings of a drill and agent.yml are checked before any request to a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from alertdrill.chaos.cluster_access import PROTECTED, Kubernetes
from alertdrill.chaos.errors import FaultNotApplied
from tests.support.breaking import endpoints, fault

KILL = {"kind": "kill_pods", "namespace": "shop", "selector": "app=engine"}
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
        (KILL | {"namespace": "shop/pods"}, "should match pattern"),
        (SCALE | {"workload": "daemonset/engine"}, "should match pattern"),
        (SCALE | {"workload": "deployment/../secrets"}, "should match pattern"),
        (SCALE | {"replicas": -1}, "greater than or equal to 0"),
        ({"kind": "cordon"}, "expected either selector or node"),
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
            "has Secret a: its contents would be in the ledger in plain text",
        ),
    ],
)
def test_a_malformed_manifest_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "manifest.yml"
    path.write_text(text)
    with pytest.raises(ValidationError, match=told):
        fault(kind="apply_manifest", namespace="shop", file=str(path))


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
