"""What a fault remembers of a workload, and the wait until that is restored.

The fault does not restore what was removed, nor wait for a roll-out that somebody else began: that one may hang, and is
reported instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from alertdrill.chaos.errors import FaultNotHealed
from alertdrill.chaos.kubernetes import place, workload
from alertdrill.chaos.kubernetes.connection import found, until
from alertdrill.chaos.kubernetes.place import Object
from alertdrill.chaos.kubernetes.workload import Owner
from alertdrill.units.settings import Settings

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster


class Before(Settings):
    """A workload as it was before a fault; a later one of its name has another uid."""

    owner: Owner
    uid: str
    wanted: int
    release: str

    @classmethod
    def of(cls, owner: Owner, now: Object) -> Before:
        """Note what a workload is now."""
        return cls(owner=owner, uid=now["metadata"]["uid"], wanted=workload.wanted(now), release=workload.release(now))

    def is_gone(self, now: Object | None) -> bool:
        """Return whether it was removed, or is about to be."""
        return now is None or now["metadata"]["uid"] != self.uid or "deletionTimestamp" in now["metadata"]

    def is_released_again(self, now: Object) -> bool:
        """Return whether somebody changed the template of its pods."""
        return workload.release(now) != self.release

    def changes(self, now: Object | None) -> list[str]:
        """Return what others did to it meanwhile, in words."""
        if now is None or self.is_gone(now):
            return [f"{self.owner} was removed meanwhile"]
        told = []
        if not self.owner.startswith("job/") and (count := workload.wanted(now)) != self.wanted:
            told.append(
                f"{self.owner} has {count} nodes meanwhile"
                if self.owner.startswith("daemonset/")
                else f"somebody set {count} replicas of {self.owner} meanwhile"
            )
        if self.is_released_again(now):
            told.append(f"somebody rolled out another release of {self.owner} meanwhile")
        return told


async def until_whole(
    cluster: KubernetesCluster, namespace: str, before: Before, missing: Callable[[Object], str], seconds: float
) -> tuple[Object | None, list[str]]:
    """Wait until `missing` returns no text for a workload; return it, and what others did meanwhile, in words.

    None when it was removed. Raises FaultNotHealed when it takes too long, and ClusterError.
    """
    now: Object | None = None
    removed = ""

    async def left() -> str:
        nonlocal now, removed
        now = await found(cluster, workload.place(before.owner, namespace))
        is_gone = now is None or before.is_gone(now)
        text = "" if now is None or is_gone else missing(now)
        if text or is_gone:
            removed = await removed_namespace(cluster, namespace)
        return f"namespace {namespace}, {before.owner}: {text}" if text and not removed else ""

    try:
        await until(left, seconds)
    except FaultNotHealed:
        if now is None or not before.is_released_again(now):
            raise
        return now, [*before.changes(now), f"which is not complete: {missing(now)}"]
    if removed or before.is_gone(now):
        return None, [removed or f"{before.owner} was removed meanwhile"]
    return now, before.changes(now)


async def removed_namespace(cluster: KubernetesCluster, name: str) -> str:
    """Return that somebody removed a namespace, or is removing it; empty while it stays. Raises ClusterError."""
    there = await found(cluster, place.namespace(name))
    is_there = there is not None and "deletionTimestamp" not in there["metadata"]
    return "" if is_there else f"somebody removed namespace {name} meanwhile"
