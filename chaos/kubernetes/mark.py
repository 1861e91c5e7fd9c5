"""A mark on an object that a fault changes, so that agents on other machines see who drills it, and leave it alone.

The mark is three labels: the fault's name, its process, and since when. A fault that changes the number of replicas
adds a fourth with the number before. Annotations of a Deployment would stay on its ReplicaSets, and a later
`kubectl rollout undo` would bring them back. `kubectl get … -l alertdrill.io/fault` lists all that is marked.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.kubernetes.place import ClusterError, Object, Place
from alertdrill.chaos.machine.proc_stat import read_stat

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster

FAULT = "alertdrill.io/fault"
_OWNER = "alertdrill.io/owner"
_SINCE = "alertdrill.io/since"
_REPLICAS = "alertdrill.io/replicas-before"
_SINCE_FORMAT = "%Y-%m-%dT%H.%M.%SZ"
_LONGEST_HOST = 40
# Controllers write the status of an object at any time; each of that is a conflict.
_TRIES = 20

# The names of this process's faults: several of one drill may change the same object.
_ours: set[str] = set()
# The marks of the faults that hold an object now, by its path; the object carries that of the first.
_holders: dict[str, dict[str, dict[str, str]]] = {}


def labels(name: str, replicas_before: int | None = None) -> dict[str, str]:
    """Return the labels that mark an object as held by a fault of this process."""
    _ours.add(name)
    since = time.strftime(_SINCE_FORMAT, time.gmtime())
    before = {} if replicas_before is None else {_REPLICAS: str(replicas_before)}
    return {FAULT: name, _OWNER: holder(), _SINCE: since} | before


def holder() -> str:
    """Return this process as its marks name it."""
    return f"{_host()}.{os.getpid()}"


async def hold(
    cluster: KubernetesCluster,
    place: Place,
    own: dict[str, str],
    change: Object,
    require: Callable[[Object], None] = lambda _: None,
) -> None:
    """Mark an object and change it in one step, in the state in which it was found free and `require` did not raise.

    `own` are the `labels` of the fault; an object that another fault of this process holds keeps its mark. Raises
    FaultNotApplied when another agent holds it, and ClusterError.
    """
    holders = _holders.setdefault(place.path, {})
    # Before the look: a fault that ends at the same time hands its mark on.
    holders[own[FAULT]] = own

    def marked(there: Object) -> Object:
        if fault_of(there) == own[FAULT]:
            # Mark and change were made in one step, and only the answer was lost.
            return {}
        require_free(there, place)
        require(there)
        metadata = change.get("metadata", {}) | ({} if fault_of(there) else {"labels": own})
        return {**change, "metadata": metadata}

    try:
        await patch_unchanged(cluster, place, marked)
    except BaseException:
        forget(own[FAULT])
        raise


async def patch_unchanged(cluster: KubernetesCluster, place: Place, change: Callable[[Object], Object]) -> None:
    """Make the change for the state of an object, and begin again when others changed it between reading and writing.

    An empty change is not made. Raises ClusterError, also when that happens again and again, and what `change` raises.
    """
    for _ in range(_TRIES):
        there = await cluster.get(place)
        if not (made := change(there)):
            return
        version = {"resourceVersion": there["metadata"]["resourceVersion"]}
        try:
            await cluster.patch(place, {**made, "metadata": made.get("metadata", {}) | version})
        except ClusterError as error:
            if error.status != 409:
                raise
        else:
            return
    raise ClusterError(f"{place.words} was changed by others {_TRIES} times in a row", 409)


async def release(cluster: KubernetesCluster, place: Place, name: str, change: Object | None = None) -> None:
    """Remove the mark of a fault, and no other, with a change in the same step.

    Another fault of this process that holds the object marks it instead. Raises ClusterError.
    """
    holders = _holders.get(place.path, {})
    holders.pop(name, None)

    def unmarked(there: Object) -> Object:
        others = next(iter(holders.values()), {})
        return {**(change or {}), "metadata": {"labels": removed() | others}} if fault_of(there) == name else {}

    try:
        await patch_unchanged(cluster, place, unmarked)
    except ClusterError as error:
        if error.status != 404:
            raise


def forget(name: str) -> None:
    """Hand no mark on to a fault any more: it is not in force, or another process undoes it."""
    for holders in _holders.values():
        holders.pop(name, None)


def removed() -> dict[str, None]:
    """Return the change of labels that removes a mark."""
    return dict.fromkeys((FAULT, _OWNER, _SINCE, _REPLICAS))


def require_free(there: Object, place: Place) -> None:
    """Raise FaultNotApplied when the fault of another process holds an object; the error names that and says what to do."""
    fault = fault_of(there)
    if not fault or fault in _ours:
        return
    marked = _labels(there)
    host, _, pid = marked.get(_OWNER, "").rpartition(".")
    ended = ", which has ended" if host == _host() and pid.isdecimal() and read_stat(int(pid)) is None else ""
    before = f" (it had {marked[_REPLICAS]} replicas)" if _REPLICAS in marked else ""
    raise FaultNotApplied(
        f"{place.words} is held by the fault {fault} of process {pid or 'unknown'} on {host or 'an unknown machine'}"
        f"{ended}, since {marked.get(_SINCE, 'an unknown time').replace('.', ':')}: wait for the end of that drill;"
        f" if it is dead, run `alertdrill heal` there, or if its ledger is lost, undo it by hand{before}, and then {removal(place)}"
    )


def removal(place: Place) -> str:
    """Return the command that removes a mark."""
    namespace = f" -n {place.namespace}" if place.namespace else ""
    return f"kubectl label{namespace} {place.resource} {place.name} {' '.join(f'{key}-' for key in removed())}"


def is_ours(there: Object) -> bool:
    """Return whether a fault of this process holds an object."""
    return fault_of(there) in _ours


def fault_of_another(there: Object, holder: str) -> str:
    """Return the fault of another process that holds an object; empty if none does."""
    return fault_of(there) if _labels(there).get(_OWNER) != holder else ""


def fault_of(there: Object) -> str:
    """Return the fault that holds an object; empty if none does."""
    return str(_labels(there).get(FAULT) or "")


def _labels(there: Object) -> dict[str, str]:
    return there["metadata"].get("labels") or {}


def _host() -> str:
    """Return the name of this machine as far as the value of a label can hold it."""
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:_LONGEST_HOST].strip("-") or "unknown"
