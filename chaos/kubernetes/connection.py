"""Connections to a cluster; refusals of the API server become FaultNotApplied or FaultNotHealed.

The library is imported only when a cluster is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from alertdrill.chaos.cluster_access import Kubernetes, Reach
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.kubernetes.place import ClusterError, Object, Place
from alertdrill.units.extras import of_extra
from alertdrill.units.polling import poll

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster

_LOOK_EVERY_SECONDS = 0.2
# Time for the requests of an undo, beside waiting.
REQUESTS = timedelta(seconds=60)


@asynccontextmanager
async def breaking(reach: Reach) -> AsyncIterator[KubernetesCluster]:
    """Connect for the length of the block; a refusal raises FaultNotApplied."""
    from alertdrill.chaos.kubernetes.client import connected

    try:
        async with connected(reach) as cluster:
            yield cluster
    except ClusterError as error:
        raise FaultNotApplied(str(error)) from error


@asynccontextmanager
async def undoing(reach: Reach) -> AsyncIterator[KubernetesCluster]:
    """Connect for the length of the block; a refusal raises FaultNotHealed."""
    with of_extra("kubernetes"):
        from alertdrill.chaos.kubernetes.client import connected

    try:
        async with connected(reach) as cluster:
            yield cluster
    except ClusterError as error:
        raise FaultNotHealed(str(error)) from error


def opened(endpoints: Endpoints) -> Kubernetes:
    """Return the part of the cluster that drills may touch; raises FaultNotApplied when there is none."""
    if endpoints.kubernetes is None:
        raise FaultNotApplied(
            "no cluster is open to drills: agent.yml needs a section `kubernetes` that names it and its namespaces"
        )
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
    """Wait until `problem` returns no text; raises FaultNotHealed with its last text when that takes too long."""
    if left := await poll(problem, seconds, _LOOK_EVERY_SECONDS):
        raise FaultNotHealed(f"{left} after {seconds:g} s")
