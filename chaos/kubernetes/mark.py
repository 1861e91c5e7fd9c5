"""A mark on an object that a fault changes, so that agents on other machines see who drills it, and leave it alone.

The mark is three labels: the fault's name, its process, and since when. Annotations of a Deployment would stay on its
ReplicaSets, and a later `kubectl rollout undo` would bring them back. `kubectl get … -l alertdrill.io/fault` lists all
that is marked.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.kubernetes.connection import found
from alertdrill.chaos.kubernetes.place import ClusterError, Object, Place
from alertdrill.chaos.machine.proc_stat import read_stat

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster

FAULT = "alertdrill.io/fault"
_OWNER = "alertdrill.io/owner"
_SINCE = "alertdrill.io/since"
_SINCE_FORMAT = "%Y-%m-%dT%H.%M.%SZ"
_LONGEST_HOST = 40
# Controllers write the status of an object at any time; each of that is a conflict.
_TRIES = 20

# The names of this process's faults: several of one drill may change the same object.
_ours: set[str] = set()


def labels(name: str) -> dict[str, str]:
    """Return the labels that mark an object as held by a fault of this process."""
    _ours.add(name)
    since = time.strftime(_SINCE_FORMAT, time.gmtime())
    return {FAULT: name, _OWNER: f"{_host()}.{os.getpid()}", _SINCE: since}


async def hold(
    cluster: KubernetesCluster,
    place: Place,
    name: str,
    change: Object,
    require: Callable[[Object], None] = lambda _: None,
) -> None:
    """Mark an object and change it in one step, in the state in which it was found free and `require` did not raise.

    An object that another fault of this process holds keeps its mark. Raises FaultNotApplied when another agent holds
    it, and ClusterError.
    """
    for _ in range(_TRIES):
        there = await cluster.get(place)
        require_free(there, place)
        require(there)
        marked = {} if _fault_of(there) else {"labels": labels(name)}
        version = {"resourceVersion": there["metadata"]["resourceVersion"]}
        try:
            await cluster.patch(place, {**change, "metadata": change.get("metadata", {}) | marked | version})
        except ClusterError as error:
            if error.status != 409:
                raise
        else:
            return
    raise FaultNotApplied(f"{place.words} was changed by others {_TRIES} times in a row")


async def release(cluster: KubernetesCluster, place: Place, name: str) -> None:
    """Remove the mark of a fault, and no other; raises ClusterError."""
    there = await found(cluster, place)
    if there is not None and _fault_of(there) == name:
        await cluster.patch(place, {"metadata": {"labels": removed()}})


def removed() -> dict[str, None]:
    """Return the change of labels that removes a mark."""
    return dict.fromkeys((FAULT, _OWNER, _SINCE))


def require_free(there: Object, place: Place) -> None:
    """Raise FaultNotApplied when the fault of another process holds an object; the error names that and says what to do."""
    fault = _fault_of(there)
    if not fault or fault in _ours:
        return
    marked = _labels(there)
    host, _, pid = marked.get(_OWNER, "").rpartition(".")
    ended = ", which has ended" if host == _host() and pid.isdecimal() and read_stat(int(pid)) is None else ""
    namespace = f" -n {place.namespace}" if place.namespace else ""
    command = f"kubectl label{namespace} {place.resource} {place.name} {' '.join(f'{key}-' for key in removed())}"
    raise FaultNotApplied(
        f"{place.words} is held by the fault {fault} of process {pid or 'unknown'} on {host or 'an unknown machine'}"
        f"{ended}, since {marked.get(_SINCE, 'an unknown time').replace('.', ':')}: wait for the end of that drill;"
        f" if it is dead, run `alertdrill heal` there, or if its ledger is lost, undo it by hand, and then {command}"
    )


def _fault_of(there: Object) -> str:
    return str(_labels(there).get(FAULT) or "")


def _labels(there: Object) -> dict[str, str]:
    return there["metadata"].get("labels") or {}


def _host() -> str:
    """Return the name of this machine as far as the value of a label can hold it."""
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:_LONGEST_HOST].strip("-") or "unknown"
