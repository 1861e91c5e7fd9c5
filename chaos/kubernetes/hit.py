"""The workloads whose pods were hit, and whether each has again what it wants.

What counts is what the workload wants now, and no more than was Ready before. What was removed, has ended, or waits for
a roll-out of somebody else is not restored by the fault, but reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.kubernetes import job, mark, place, workload
from alertdrill.chaos.kubernetes.connection import found, require_permissions
from alertdrill.chaos.kubernetes.place import Object
from alertdrill.chaos.kubernetes.whole import Before
from alertdrill.chaos.kubernetes.workload import Owner
from alertdrill.units.settings import Settings

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster

_RELEASE_OF_POD = "controller-revision-hash"


@dataclass(frozen=True)
class Now:
    """The state of a workload: its Ready pods, how many it needs, what is missing, and what others did meanwhile.

    `is_theirs` says that what is missing waits for a roll-out that the fault did not begin.
    """

    ready: Sequence[Object] = ()
    needed: int = 0
    missing: str = ""
    told: Sequence[str] = ()
    is_gone: bool = False
    is_theirs: bool = False


class Hit(Settings):
    """A workload that controls hit pods, the labels of its pods, and how many of them were Ready.

    `above` is the Deployment of a ReplicaSet.
    `releases` are those of these pods, if the workload is a StatefulSet or a DaemonSet.
    """

    workload: Before
    selector: str
    above: Before | None
    ready: int
    releases: tuple[str, ...]

    @property
    def owner(self) -> Owner:
        """The workload as a person knows it."""
        return (self.above or self.workload).owner

    async def now(self, cluster: KubernetesCluster, namespace: str, pods: list[Object]) -> Now:
        """Return its state; it is looked for among the pods. Raises ClusterError."""
        told: list[str] = []
        if self.above is not None:
            above = await found(cluster, workload.place(self.above.owner, namespace))
            told += self.above.changes(above)
            if self.above.is_gone(above):
                return Now(told=told, is_gone=True)
        there = await found(cluster, workload.place(self.workload.owner, namespace))
        if there is None or self.workload.is_gone(there):
            return Now(told=told or self.workload.changes(there), is_gone=True)
        if self.owner.startswith("job/") and (how := job.ended(there)):
            return Now(told=[how])
        return self._of(there, pods, told)

    def _of(self, there: Object, pods: list[Object], told: list[str]) -> Now:
        pods = [pod for pod in pods if is_alive(pod) and workload.owns(self.workload.owner, there, pod)]
        ready = [pod for pod in pods if is_ready(pod)]
        needed = min(workload.wanted(there), self.ready)
        if self.above is None:
            told = self.workload.changes(there)
        elif not told and needed < self.ready:
            told = [f"a roll-out of {self.owner} went on meanwhile"]
        if len(ready) >= needed:
            return Now(ready, needed, told=told)
        return Now(
            ready,
            needed,
            missing=f"{len(ready)} of {needed} pods of {self.owner} are Ready",
            told=told,
            is_theirs=self.workload.is_released_again(there) or any(self._is_foreign(pod) for pod in pods),
        )

    def _is_foreign(self, pod: Object) -> bool:
        """Return whether a pod waits with a release of which none was Ready before: that hangs without the fault too."""
        release = _release(pod)
        return bool(release) and not is_ready(pod) and release not in self.releases


async def hits(cluster: KubernetesCluster, namespace: str, pods: Sequence[Object]) -> tuple[Hit, ...]:
    """Find the workloads of pods; raises FaultNotApplied when another agent holds one, and ClusterError."""
    owners = sorted({owner for pod in pods if (owner := workload.owner_of(pod))})
    await require_permissions(cluster, *(("get", workload.place(owner, namespace)) for owner in owners))
    return tuple([await _hit(cluster, namespace, owner) for owner in owners])


async def _hit(cluster: KubernetesCluster, namespace: str, owner: Owner) -> Hit:
    there = await _kept(cluster, namespace, owner)
    pods = [pod for pod in await pods_of(cluster, namespace, owner, there) if is_ready(pod)]
    above, over = None, workload.owner_of(there)
    if over is not None and over.startswith("deployment/"):
        await require_permissions(cluster, ("get", workload.place(over, namespace)))
        above = Before.of(over, await _kept(cluster, namespace, over))
    return Hit(
        workload=Before.of(owner, there),
        selector=workload.selector(there),
        above=above,
        ready=len(pods),
        releases=tuple(sorted({release for pod in pods if (release := _release(pod))})),
    )


async def _kept(cluster: KubernetesCluster, namespace: str, owner: Owner) -> Object:
    """Read a workload that will stay; raises FaultNotApplied."""
    where = workload.place(owner, namespace)
    there = await found(cluster, where)
    if there is None or "deletionTimestamp" in there["metadata"]:
        raise FaultNotApplied(f"{owner} of namespace {namespace} is being removed: nothing would replace its pods")
    mark.require_free(there, where)
    return there


async def pods_of(cluster: KubernetesCluster, namespace: str, owner: Owner, there: Object) -> list[Object]:
    """List the living pods of a workload; raises ClusterError."""
    pods = await cluster.listed(place.pods(namespace), workload.selector(there))
    return [pod for pod in pods if is_alive(pod) and workload.owns(owner, there, pod)]


def is_alive(pod: Object) -> bool:
    """Return whether a pod has not ended and is not ending."""
    ended = (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
    return "deletionTimestamp" not in pod["metadata"] and not ended


def is_ready(pod: Object) -> bool:
    """Return whether a pod is Ready."""
    return any(one["status"] == "True" for one in ready_conditions(pod))


def ready_conditions(pod: Object) -> list[Object]:
    """Return a pod's conditions of being Ready; at most one."""
    return [one for one in (pod.get("status") or {}).get("conditions") or [] if one["type"] == "Ready"]


def _release(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(_RELEASE_OF_POD, ""))
