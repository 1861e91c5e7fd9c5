"""The permission to touch an object: agent.yml lists its namespace, and the object or its namespace carries the label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from alertdrill.chaos.cluster_access import PROTECTED, Kubernetes
from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.kubernetes import mark, workload
from alertdrill.chaos.kubernetes.connection import found, opened
from alertdrill.chaos.kubernetes.own_pod import OwnPods
from alertdrill.chaos.kubernetes.place import Object, namespace
from alertdrill.chaos.kubernetes.workload import Owner

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster


def carries(one: Object, label: dict[str, str]) -> bool:
    """Return whether an object carries all pairs of a label; pure."""
    labels = one["metadata"].get("labels") or {}
    return label.items() <= labels.items()


async def opted_in(
    cluster: KubernetesCluster, access: Kubernetes, name: str, objects: Sequence[Object]
) -> list[Object]:
    """Keep the objects of a namespace that may be touched.

    Raises FaultNotApplied for a namespace that is not open to drills, and ClusterError.
    """
    require_listed(access, name)
    if carries(await _kept(cluster, name), access.label):
        return list(objects)
    return [one for one in objects if carries(one, access.label)]


async def require_namespace(cluster: KubernetesCluster, access: Kubernetes, name: str) -> None:
    """Require that a whole namespace may be touched; raises FaultNotApplied and ClusterError."""
    require_listed(access, name)
    if not carries(await _kept(cluster, name), access.label):
        raise FaultNotApplied(
            f"namespace {name} is not open to drills: it does not carry {access.label_words}"
            f" (kubectl label namespace {name} {access.label_words})"
        )


async def _kept(cluster: KubernetesCluster, name: str) -> Object:
    """Read a namespace that will stay; raises FaultNotApplied and ClusterError."""
    there = await cluster.get(namespace(name))
    if "deletionTimestamp" in there["metadata"]:
        raise FaultNotApplied(f"namespace {name} is being removed")
    return there


async def open_workload(cluster: KubernetesCluster, endpoints: Endpoints, owner: Owner, name: str) -> Object:
    """Find a workload in a namespace where drills are allowed, that no other agent holds and that is not alertdrill's own.

    Raises FaultNotApplied and ClusterError.
    """
    access = opened(endpoints)
    require_listed(access, name)
    there = await found(cluster, workload.place(owner, name))
    if there is None or "deletionTimestamp" in there["metadata"]:
        raise FaultNotApplied(f"there is no {owner} in namespace {name}, or it is being removed")
    if not await opted_in(cluster, access, name, [there]):
        raise FaultNotApplied(
            f"{owner} is not open to drills: neither it nor namespace {name} carries {access.label_words}"
        )
    mark.require_free(there, workload.place(owner, name))
    await (await OwnPods.of(cluster, endpoints, name)).require_others(cluster, owner, there, name)
    return there


def part_of(share: float, count: int) -> int:
    """Return how many of some pods a share is, rounded down, and at least one; pure."""
    # 0.29 of 100 are 29, although the product is a little less.
    return max(math.floor(round(share * count, 6)), 1)


def require_part(access: Kubernetes, pods: int, there: int, words: str) -> None:
    """Require that a fault hits no larger part of the pods than agent.yml allows; raises FaultNotApplied.

    `words` are the hit pods, of which there are so many.
    """
    if pods > (at_most := part_of(access.largest_share, there)):
        raise FaultNotApplied(
            f"{pods} pods of {words} are more than kubernetes.largest_share of agent.yml allows: {at_most}"
        )


def require_listed(access: Kubernetes, name: str) -> None:
    """Require that agent.yml lists a namespace; raises FaultNotApplied."""
    if name in PROTECTED:
        raise FaultNotApplied(f"namespace {name} belongs to Kubernetes and is never touched")
    if name not in access.namespaces:
        raise FaultNotApplied(
            f"namespace {name} is not open to drills: kubernetes.namespaces of agent.yml has"
            f" {', '.join(access.namespaces)}"
        )
