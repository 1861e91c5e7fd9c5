"""Workloads, the controllers of pods (Deployments and the like), named as kubectl does (`deployment/engine`). Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import StringConstraints

from alertdrill.chaos.kubernetes.place import Object, Place

_RESOURCES = {
    "deployment": "deployments",
    "statefulset": "statefulsets",
    "daemonset": "daemonsets",
    "replicaset": "replicasets",
}
_NAME = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"

Owner = Annotated[str, StringConstraints(pattern=rf"^({'|'.join(_RESOURCES)})/{_NAME}$")]
# Workloads with a number of replicas, and workloads with a roll-out.
Scalable = Annotated[str, StringConstraints(pattern=rf"^(deployment|statefulset)/{_NAME}$")]
Rolling = Annotated[str, StringConstraints(pattern=rf"^(deployment|statefulset|daemonset)/{_NAME}$")]


def place(owner: str, namespace: str) -> Place:
    """Return the place of an owner."""
    kind, _, name = owner.partition("/")
    return Place(api="apps/v1", resource=_RESOURCES[kind], namespace=namespace, name=name)


def selector(workload: Object) -> str:
    """Format the labels of a workload's pods as a query."""
    chosen = workload["spec"]["selector"]
    equal = [f"{key}={value}" for key, value in (chosen.get("matchLabels") or {}).items()]
    expressions = chosen.get("matchExpressions") or []
    return ",".join(
        equal + [_EXPRESSIONS[one["operator"]].format(key=one["key"], values=_values(one)) for one in expressions]
    )


def _values(expression: Object) -> str:
    return ",".join(expression.get("values") or [])


_EXPRESSIONS = {
    "In": "{key} in ({values})",
    "NotIn": "{key} notin ({values})",
    "Exists": "{key}",
    "DoesNotExist": "!{key}",
}


def owns(owner: str, workload: Object, pod: Object) -> bool:
    """Return whether a workload controls a pod; a Deployment does so through a ReplicaSet."""
    controller = controller_of(pod)
    if controller is None:
        return False
    if owner.startswith("deployment/"):
        template = (pod["metadata"].get("labels") or {}).get("pod-template-hash")
        name = workload["metadata"]["name"]
        return bool(controller["kind"] == "ReplicaSet" and controller["name"] == f"{name}-{template}")
    return bool(controller["uid"] == workload["metadata"]["uid"])


def controller_of(pod: Object) -> Object | None:
    """Return the controller that would replace a pod; None if there is none."""
    owners: list[Object] = pod["metadata"].get("ownerReferences") or []
    return next((one for one in owners if one.get("controller")), None)


def missing_part(workload: Object) -> str:
    """Return what a workload still waits for; an empty text when all replicas have the newest template and are Ready."""
    status = workload.get("status") or {}
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return "its controller has not seen it yet"
    if "desiredNumberScheduled" in status:
        wanted = status["desiredNumberScheduled"]
        counts = {"up to date": "updatedNumberScheduled", "Ready": "numberReady"}
    else:
        wanted = workload["spec"].get("replicas", 1)
        counts = {"there": "replicas", "up to date": "updatedReplicas", "Ready": "readyReplicas"}
    for words, key in counts.items():
        if status.get(key, 0) != wanted:
            return f"{status.get(key, 0)} of {wanted} replicas are {words}"
    return ""


def rolled_out_at(deployment: Object) -> float | None:
    """Return when a Deployment's last roll-out was complete, in seconds since the epoch; None if unknown."""
    for one in (deployment.get("status") or {}).get("conditions") or []:
        if one["type"] == "Progressing" and one.get("reason") == "NewReplicaSetAvailable":
            return datetime.fromisoformat(one["lastUpdateTime"]).timestamp()
    return None
