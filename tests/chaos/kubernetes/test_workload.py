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


@pytest.mark.parametrize(
    ("now", "at_most", "missing_part"),
    [
        (deployment(**WHOLE | {"readyReplicas": 2}), 2, ""),
        (deployment(**WHOLE | {"readyReplicas": 1}), 2, "1 of 2 replicas are Ready"),
        (deployment(**WHOLE | {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}), 2, ""),
        (deployment(**WHOLE | {"updatedReplicas": 0}), 3, ""),
        (deployment(**WHOLE | {"replicas": 4}), 3, "4 of 3 replicas are there"),
    ],
)
def test_no_more_than_before_is_missing_and_any_release_will_do(
    now: dict[str, Any], at_most: int, missing_part: str
) -> None:
    assert workload.missing_part(now, at_most, up_to_date=False) == missing_part


def statefulset(strategy: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {"metadata": {"generation": 1}, "spec": {"replicas": 3, "updateStrategy": strategy}, "status": status}


def partition(count: int) -> dict[str, Any]:
    return {"type": "RollingUpdate", "rollingUpdate": {"partition": count}}


@pytest.mark.parametrize(
    ("updated", "missing_part"),
    [(3, ""), (1, ""), (0, "0 of 1 replicas are up to date")],
)
def test_a_partition_keeps_the_release_of_as_many_replicas(updated: int, missing_part: str) -> None:
    status = {"observedGeneration": 1, "replicas": 3, "updatedReplicas": updated, "readyReplicas": 3}
    assert workload.missing_part(statefulset(partition(2), **status)) == missing_part


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (statefulset({"type": "OnDelete"}), "has the update strategy OnDelete"),
        (statefulset(partition(3)), "has a partition of 3: nothing would roll out to its 3 replicas"),
        (statefulset(partition(2)), ""),
        ({"spec": {"replicas": 3, "paused": True}}, "is paused"),
        ({"spec": {"replicas": 3}}, ""),
    ],
)
def test_a_workload_that_would_not_roll_out_says_why(now: dict[str, Any], why: str) -> None:
    assert workload.keeps_template(now).startswith(why)
    assert bool(workload.keeps_template(now)) == bool(why)


HUNG = {"observedGeneration": 2, "replicas": 4, "updatedReplicas": 1, "readyReplicas": 3}
SETTLED = {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 1, "readyReplicas": 3}


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (deployment(**WHOLE), ""),
        (deployment(**WHOLE | {"readyReplicas": 1}), ""),
        (deployment(**HUNG), "its roll-out is not complete: 3 replicas have the release before"),
        (deployment(**WHOLE | {"observedGeneration": 1}), "its controller has not seen its last change yet"),
        (statefulset(partition(0), **SETTLED), "its roll-out is not complete: 2 replicas have the release before"),
        (statefulset(partition(2), **SETTLED), ""),
        (statefulset({"type": "OnDelete"}, **SETTLED), ""),
    ],
)
def test_a_roll_out_that_scaling_would_finish_is_named(now: dict[str, Any], why: str) -> None:
    assert workload.half_rolled_out(now) == why


def test_a_paused_deployment_with_a_waiting_template_has_one_release() -> None:
    paused = deployment(**WHOLE | {"updatedReplicas": 0})
    assert workload.half_rolled_out(paused | {"spec": {"replicas": 3, "paused": True}}) == ""
    assert workload.half_rolled_out(deployment(**HUNG) | {"spec": {"replicas": 3, "paused": True}})


@pytest.mark.parametrize(
    ("spec", "status", "wanted"),
    [
        ({"parallelism": 3, "completions": 5}, {}, 3),
        ({"parallelism": 3, "completions": 5}, {"succeeded": 3}, 2),
        ({"parallelism": 3, "completions": 5}, {"succeeded": 5}, 0),
        ({"parallelism": 3}, {}, 3),
        ({"parallelism": 3}, {"succeeded": 1}, 0),
        ({"parallelism": 3, "completions": 5, "suspend": True}, {}, 0),
    ],
)
def test_a_job_wants_what_is_left_of_its_completions(spec: dict[str, Any], status: dict[str, Any], wanted: int) -> None:
    assert workload.wanted({"spec": spec, "status": status}) == wanted


def template(**changes: Any) -> dict[str, Any]:
    metadata = {"labels": {"app": "engine"}, "annotations": changes.pop("annotations", None)}
    return {"spec": {"template": {"metadata": metadata, "spec": {"containers": []} | changes}}}


def test_a_restart_by_a_fault_is_no_other_release() -> None:
    restarted = template(annotations={workload.RESTARTED: "alertdrill-1"})
    assert workload.release(template()) == workload.release(restarted)
    assert workload.release(template()) != workload.release(template(annotations={"a": "b"}))
    assert workload.release(template()) != workload.release(template(nodeSelector={"a": "b"}))


@pytest.mark.parametrize(
    ("controller", "owner"),
    [
        ({"apiVersion": "apps/v1", "kind": "ReplicaSet"}, "replicaset/engine"),
        ({"apiVersion": "apps/v1", "kind": "DaemonSet"}, "daemonset/engine"),
        ({"apiVersion": "batch/v1", "kind": "Job"}, "job/engine"),
        ({"apiVersion": "v1", "kind": "Node"}, None),
        ({"apiVersion": "example.com/v1", "kind": "Job"}, None),
    ],
)
def test_only_known_controllers_are_owners(controller: dict[str, Any], owner: str | None) -> None:
    pod = {"metadata": {"ownerReferences": [controller | {"name": "engine", "controller": True}]}}
    assert workload.owner_of(pod) == owner


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
