"""The parts of the lab's Kubernetes that can be tested without a cluster."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from alertdrill.lab.errors import LabError
from alertdrill.lab.kubernetes.state_metrics import metrics_page
from alertdrill.lab.programs import KUBERNETES_VERSION, find_kubernetes

ROOT = Path(__file__).parents[2]
POD: dict[str, Any] = {
    "metadata": {
        "namespace": "shop",
        "name": "engine-1",
        "uid": "u1",
        "ownerReferences": [{"kind": "ReplicaSet", "name": "engine-5d9", "controller": True}],
    },
    "spec": {"nodeName": "node-1"},
    "status": {
        "phase": "Running",
        "podIP": "10.0.0.1",
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{"name": "engine", "ready": False, "restartCount": 7, "state": {"waiting": {}}}],
    },
}
NODE = {
    "metadata": {"name": "node-1"},
    "spec": {"unschedulable": True},
    "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]},
}
DEPLOYMENT = {
    "metadata": {"namespace": "shop", "name": "engine", "generation": 3, "creationTimestamp": "2026-01-02T03:04:05Z"},
    "spec": {"replicas": 3},
    "status": {"replicas": 3, "availableReplicas": 1, "unavailableReplicas": 2, "observedGeneration": 2},
}
NOTHING: dict[str, list[dict[str, Any]]] = {
    "pods": [],
    "nodes": [],
    "deployments": [],
    "statefulsets": [],
    "budgets": [],
}
IN_SHOP = {"namespace": "shop", "pod": "engine-1", "uid": "u1"}


@pytest.fixture(scope="module")
def samples() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = metrics_page(NOTHING | {"pods": [POD], "nodes": [NODE], "deployments": [DEPLOYMENT]}).decode()
    families = text_string_to_metric_families(text)
    return {(sample.name, frozenset(sample.labels.items())): sample.value for one in families for sample in one.samples}


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("kube_pod_status_phase", IN_SHOP | {"phase": "Running"}, 1),
        ("kube_pod_status_phase", IN_SHOP | {"phase": "Pending"}, 0),
        ("kube_pod_status_ready", IN_SHOP | {"condition": "true"}, 0),
        ("kube_pod_status_ready", IN_SHOP | {"condition": "false"}, 1),
        ("kube_pod_container_status_restarts_total", IN_SHOP | {"container": "engine"}, 7),
        ("kube_pod_container_status_waiting", IN_SHOP | {"container": "engine"}, 1),
        (
            "kube_pod_owner",
            IN_SHOP | {"owner_kind": "ReplicaSet", "owner_name": "engine-5d9", "owner_is_controller": "true"},
            1,
        ),
        ("kube_deployment_spec_replicas", {"namespace": "shop", "deployment": "engine"}, 3),
        ("kube_deployment_status_replicas_available", {"namespace": "shop", "deployment": "engine"}, 1),
        ("kube_deployment_status_replicas_unavailable", {"namespace": "shop", "deployment": "engine"}, 2),
        ("kube_deployment_status_replicas_ready", {"namespace": "shop", "deployment": "engine"}, 0),
        ("kube_deployment_created", {"namespace": "shop", "deployment": "engine"}, 1767323045),
        ("kube_node_status_condition", {"node": "node-1", "condition": "Ready", "status": "unknown"}, 1),
        ("kube_node_status_condition", {"node": "node-1", "condition": "Ready", "status": "true"}, 0),
        ("kube_node_spec_unschedulable", {"node": "node-1"}, 1),
    ],
)
def test_metrics_have_the_names_and_labels_of_kube_state_metrics(
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, labels: dict[str, str], value: float
) -> None:
    assert samples[name, frozenset(labels.items())] == value


def test_an_empty_cluster_has_a_metrics_page() -> None:
    assert b"kube_pod_info" in metrics_page(NOTHING)


def test_a_program_that_is_not_built_is_named_with_the_command_that_builds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(LabError, match=r"kube-apiserver is not in .*, build it: make kubernetes"):
        find_kubernetes()


def test_the_lab_looks_for_the_version_that_is_built() -> None:
    script = (ROOT / "lab/install-kubernetes.sh").read_text()
    assert re.search(r"^kubernetes=(.*)$", script, re.MULTILINE)[1] == KUBERNETES_VERSION  # type: ignore[index]
