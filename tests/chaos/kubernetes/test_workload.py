"""The status and the selectors of a workload, read as Kubernetes defines them."""

from __future__ import annotations

from typing import Any

import pytest

from alertdrill.chaos.kubernetes import workload


def deployment(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "engine", "uid": "u", "generation": 2}, "spec": {"replicas": 3}, "status": status}


def daemonset(**status: Any) -> dict[str, Any]:
    return {"metadata": {"generation": 1}, "spec": {}, "status": {"observedGeneration": 1} | status}


WHOLE = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3}


@pytest.mark.parametrize(
    ("now", "missing_part"),
    [
        (deployment(**WHOLE), ""),
        (deployment(**WHOLE | {"observedGeneration": 1}), "its controller has not seen it yet"),
        (deployment(**WHOLE | {"replicas": 4}), "4 of 3 replicas are there"),
        (deployment(**WHOLE | {"updatedReplicas": 1}), "1 of 3 replicas are up to date"),
        (deployment(**WHOLE | {"readyReplicas": 2}), "2 of 3 replicas are Ready"),
        (deployment(observedGeneration=2), "0 of 3 replicas are there"),
        (daemonset(desiredNumberScheduled=2, updatedNumberScheduled=2, numberReady=2), ""),
        (daemonset(desiredNumberScheduled=2, updatedNumberScheduled=2, numberReady=1), "1 of 2 replicas are Ready"),
    ],
)
def test_the_missing_part_of_a_workload_is_named(now: dict[str, Any], missing_part: str) -> None:
    assert workload.missing_part(now) == missing_part


def test_labels_and_expressions_are_formatted_as_a_query() -> None:
    chosen = {
        "matchLabels": {"app": "engine"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["a", "b"]},
            {"key": "zone", "operator": "NotIn", "values": ["x"]},
            {"key": "old", "operator": "DoesNotExist"},
            {"key": "new", "operator": "Exists"},
        ],
    }
    assert workload.selector({"spec": {"selector": chosen}}) == "app=engine,tier in (a,b),zone notin (x),!old,new"


@pytest.mark.parametrize(
    ("controller", "owned"),
    [
        ({"kind": "ReplicaSet", "name": "engine-5d9", "controller": True, "uid": "r"}, True),
        ({"kind": "ReplicaSet", "name": "engine-2-5d9", "controller": True, "uid": "r"}, False),
        ({"kind": "ReplicaSet", "name": "engine-5d9", "uid": "r"}, False),
        ({"kind": "StatefulSet", "name": "engine-5d9", "controller": True, "uid": "s"}, False),
    ],
)
def test_a_deployment_owns_the_pods_of_its_replica_sets(controller: dict[str, Any], owned: bool) -> None:  # noqa: FBT001
    pod = {"metadata": {"labels": {"pod-template-hash": "5d9"}, "ownerReferences": [controller]}}
    assert workload.owns("deployment/engine", deployment(), pod) is owned
