"""Workloads, the controllers of pods (Deployments and the like), named as kubectl does (`deployment/engine`). Pure."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Annotated

from pydantic import StringConstraints

from alertdrill.chaos.kubernetes.place import Object, Place

_KINDS = {
    "deployment": ("apps/v1", "deployments"),
    "statefulset": ("apps/v1", "statefulsets"),
    "daemonset": ("apps/v1", "daemonsets"),
    "replicaset": ("apps/v1", "replicasets"),
    "job": ("batch/v1", "jobs"),
}
# The kinds that replace a pod, as Kubernetes spells them.
REPLACING = ("ReplicaSet", "StatefulSet", "DaemonSet", "Job")
_NAME = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
# What restart_rollout adds to the pods' template.
RESTARTED = "alertdrill.io/restarted-by"

Owner = Annotated[str, StringConstraints(pattern=rf"^({'|'.join(_KINDS)})/{_NAME}$")]
# Workloads with a number of replicas, and workloads with a roll-out.
Scalable = Annotated[str, StringConstraints(pattern=rf"^(deployment|statefulset)/{_NAME}$")]
Rolling = Annotated[str, StringConstraints(pattern=rf"^(deployment|statefulset|daemonset)/{_NAME}$")]


def place(owner: str, namespace: str) -> Place:
    """Return the place of an owner."""
    kind, _, name = owner.partition("/")
    api, resource = _KINDS[kind]
    return Place(api=api, resource=resource, namespace=namespace, name=name)


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


def controller_of(one: Object) -> Object | None:
    """Return the controller of a pod, which would replace it, or of a ReplicaSet; None if there is none."""
    owners: list[Object] = one["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def owner_of(one: Object) -> Owner | None:
    """Return the controller of a pod or a ReplicaSet as an owner; None if it is none that surely replaces pods."""
    controller = controller_of(one)
    if controller is None:
        return None
    kind = controller["kind"].lower()
    api, _ = _KINDS.get(kind, ("", ""))
    return f"{kind}/{controller['name']}" if controller.get("apiVersion") == api else None


def wanted(workload: Object) -> int:
    """Return how many pods a workload wants now."""
    status, spec = workload.get("status") or {}, workload["spec"]
    if "desiredNumberScheduled" in status:
        return int(status["desiredNumberScheduled"])
    if "parallelism" not in spec:
        return int(spec.get("replicas", 1))
    if spec.get("suspend"):
        return 0
    done = status.get("succeeded", 0)
    if "completions" in spec:
        return int(max(min(spec["parallelism"], spec["completions"] - done), 0))
    # A Job without a number of completions starts no pod any more after the first that ended well.
    return 0 if done else int(spec["parallelism"])


def release(workload: Object) -> str:
    """Return a hash of the template of a workload's pods, the same before and after a restart_rollout."""
    template = workload["spec"].get("template") or {}
    metadata = template.get("metadata") or {}
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != RESTARTED}
    # Without an annotation the key may be missing, null or empty.
    rest = {key: value for key, value in metadata.items() if key not in {"annotations", "creationTimestamp"}}
    told = json.dumps([rest, annotations, template.get("spec")], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def missing_part(workload: Object, at_most: int | None = None, *, up_to_date: bool = True) -> str:
    """Return what a workload still waits for; an empty text when all replicas have the newest template and are Ready.

    No more than `at_most` replicas need to be there, which is how many were Ready before. Without `up_to_date` they may
    have any template. A partition keeps the template of as many replicas.
    """
    status, count = workload.get("status") or {}, wanted(workload)
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return "its controller has not seen it yet"
    needed = count if at_most is None else min(count, at_most)
    kept = partition(workload)
    if "desiredNumberScheduled" in status:
        there, updated, ready = count, status.get("updatedNumberScheduled", 0), status.get("numberReady", 0)
    else:
        there, updated, ready = (status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas"))
    if there > count or there < needed:
        return f"{there} of {count} replicas are there"
    if up_to_date and updated < max(needed, there) - kept:
        return f"{updated} of {count - kept if kept else count} replicas are up to date"
    return f"{ready} of {needed} replicas are Ready" if ready < needed else ""


def partition(workload: Object) -> int:
    """Return how many replicas of a StatefulSet keep their template in a roll-out."""
    rolling = (workload["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    return int(rolling.get("partition") or 0)


def keeps_template(workload: Object) -> str:
    """Return why a workload would not roll out a new template by itself; an empty text when it would."""
    if workload["spec"].get("paused"):
        return "is paused: nothing would roll out"
    if (workload["spec"].get("updateStrategy") or {}).get("type") == "OnDelete":
        return "has the update strategy OnDelete: nothing would roll out until its pods are deleted"
    if 0 < wanted(workload) <= (kept := partition(workload)):
        return f"has a partition of {kept}: nothing would roll out to its {wanted(workload)} replicas"
    return ""


def half_rolled_out(workload: Object) -> str:
    """Return why scaling would change the release that serves; an empty text when it would not.

    After a scale to 0 all replicas get the newest template, so one that hangs would take the place of one that serves.
    """
    status, spec = workload.get("status") or {}, workload["spec"]
    there, updated = status.get("replicas", 0), status.get("updatedReplicas", 0)
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return "its controller has not seen its last change yet"
    if spec.get("paused") and not updated:
        # A template that was never rolled out has no pods, and gets none while the roll-out is paused.
        return ""
    if (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        return ""
    left = there - updated - partition(workload)
    return f"its roll-out is not complete: {left} replicas have the release before" if left > 0 else ""


def rolled_out_at(deployment: Object) -> float | None:
    """Return when a Deployment's last roll-out was complete, in seconds since the epoch; None if unknown."""
    for one in (deployment.get("status") or {}).get("conditions") or []:
        if one["type"] == "Progressing" and one.get("reason") == "NewReplicaSetAvailable":
            return datetime.fromisoformat(one["lastUpdateTime"]).timestamp()
    return None
