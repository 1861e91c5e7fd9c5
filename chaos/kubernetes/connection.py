"""Connections to a cluster; refusals of the API server become FaultNotApplied or FaultNotHealed.

The library is imported only when a cluster is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from alertdrill.chaos.cluster_access import ClusterReach, Kubernetes
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.kubernetes import mark
from alertdrill.chaos.kubernetes.patience import MOST_AT_ONCE
from alertdrill.chaos.kubernetes.place import ClusterError, Object, Place
from alertdrill.units.extras import of_extra
from alertdrill.units.polling import poll

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster

_LOOK_EVERY_SECONDS = 0.2
Target = TypeVar("Target")
# Time for the requests of an undo, beside waiting.
_REQUESTS = timedelta(seconds=60)
_AWAY = timedelta(seconds=30)


@asynccontextmanager
async def breaking(reach: ClusterReach) -> AsyncIterator[KubernetesCluster]:
    """Connect for the length of the block; a refusal raises FaultNotApplied."""
    from alertdrill.chaos.kubernetes.client import connected

    try:
        async with connected(reach) as cluster:
            yield cluster
    except ClusterError as error:
        raise FaultNotApplied(str(error)) from error


@asynccontextmanager
async def undoing(reach: ClusterReach, entry_id: str, within: timedelta = _AWAY) -> AsyncIterator[KubernetesCluster]:
    """Connect for the length of the block; a refusal, or an API server that is away for `within`, raises FaultNotHealed.

    The error says what a person can do about a refusal.
    """
    with of_extra("kubernetes"):
        from alertdrill.chaos.kubernetes.client import connected

    try:
        async with connected(reach, within.total_seconds()) as cluster:
            yield cluster
    except ClusterError as error:
        raise FaultNotHealed(f"{error}{_when_refused(entry_id) if error.status in {401, 403} else ''}") from error
    finally:
        mark.forget(entry_id)


def _when_refused(entry_id: str) -> str:
    return (
        ": give the account of alertdrill its role again; if they went with their namespace, nothing is left to undo"
        f' there, so give the entry up: alertdrill heal --give-up {entry_id} --because "the namespace was removed"'
    )


def longest_undo(within: timedelta) -> timedelta:
    """Return when an undo counts as hung that waits `within` for the API server, and as long for what it restores."""
    return _REQUESTS + 2 * within


NO_CLUSTER = "no cluster is open to drills: agent.yml needs a section `kubernetes` that names it and its namespaces"


def opened(endpoints: Endpoints) -> Kubernetes:
    """Return the part of the cluster that drills may touch; raises FaultNotApplied when there is none."""
    if endpoints.kubernetes is None:
        raise FaultNotApplied(NO_CLUSTER)
    return endpoints.kubernetes


async def require_permissions(cluster: KubernetesCluster, *needed: tuple[str, Place]) -> None:
    """Check that a fault and its undo have all permissions, before anything is broken; raises FaultNotApplied."""
    allowed = await asyncio.gather(*(cluster.may(verb, place) for verb, place in needed))
    missing = [f"{verb} {place.words}" for (verb, place), may in zip(needed, allowed, strict=True) if not may]
    if missing:
        raise FaultNotApplied(
            f"not permitted to {', to '.join(missing)}: the role of alertdrill needs that"
            " (configs/kubernetes/ has one for every fault)"
        )


async def found(cluster: KubernetesCluster, place: Place) -> Object | None:
    """Read an object; None when there is none. Raises ClusterError."""
    try:
        return await cluster.get(place)
    except ClusterError as error:
        if error.status == 404:
            return None
        raise


async def until(problem: Callable[[], Awaitable[str]], seconds: float) -> None:
    """Wait until `problem` returns no text; an API server that is away meanwhile is waited for.

    Raises FaultNotHealed with its last text, or the last error of the API server, when that takes too long.
    """
    if left := await poll(partial(_left, problem), seconds, _LOOK_EVERY_SECONDS):
        raise FaultNotHealed(f"{left} after {seconds:g} s")


async def _left(problem: Callable[[], Awaitable[str]]) -> str:
    try:
        return await problem()
    except ClusterError as error:
        # Credentials that were rejected for so long will not be accepted.
        if not error.passes or error.status == 401:
            raise
        return str(error)


async def all_done(
    work: Callable[[Target], Awaitable[None]], targets: Sequence[Target], done: str, *, at_once: int = MOST_AT_ONCE
) -> None:
    """Do some work on all targets, and begin no other when it failed on one.

    Raises FaultNotApplied for the first that failed; when others were `done`, it has their number, and is `in_part`.
    """
    count, places = 0, asyncio.Semaphore(at_once)
    failed: list[ClusterError | FaultNotApplied] = []

    async def one(target: Target) -> None:
        nonlocal count
        async with places:
            if failed:
                return
            try:
                await work(target)
            except (ClusterError, FaultNotApplied) as error:
                failed.append(error)
            else:
                count += 1

    async with asyncio.TaskGroup() as tasks:
        for target in targets:
            tasks.create_task(one(target))
    if failed:
        words = f"{count:,} of {len(targets):,} {done} before this failed: {failed[0]}"
        raise FaultNotApplied(words if count else str(failed[0]), in_part=count > 0) from failed[0]
