"""The permission to touch an object: agent.yml lists its namespace, and the object or its namespace carries the label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from alertdrill.chaos.cluster_access import PROTECTED, Kubernetes
from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.kubernetes import mark, workload
from alertdrill.chaos.kubernetes.connection import found
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
    if carries(await cluster.get(namespace(name)), access.label):
        return list(objects)
    return [one for one in objects if carries(one, access.label)]


async def require_namespace(cluster: KubernetesCluster, access: Kubernetes, name: str) -> None:
    """Require that a whole namespace may be touched; raises FaultNotApplied and ClusterError."""
    require_listed(access, name)
    if not carries(await cluster.get(namespace(name)), access.label):
        raise FaultNotApplied(
            f"namespace {name} is not open to drills: it does not carry {access.label_words}"
            f" (kubectl label namespace {name} {access.label_words})"
        )


async def open_workload(cluster: KubernetesCluster, access: Kubernetes, owner: Owner, name: str) -> Object:
    """Find a workload in a namespace where drills are allowed, and that no other agent holds.

    Raises FaultNotApplied and ClusterError.
    """
    require_listed(access, name)
    there = await found(cluster, workload.place(owner, name))
    if there is None:
        raise FaultNotApplied(f"there is no {owner} in namespace {name}")
    if not await opted_in(cluster, access, name, [there]):
        raise FaultNotApplied(
            f"{owner} is not open to drills: neither it nor namespace {name} carries {access.label_words}"
        )
    mark.require_free(there, workload.place(owner, name))
    return there


def require_listed(access: Kubernetes, name: str) -> None:
    """Require that agent.yml lists a namespace; raises FaultNotApplied."""
    if name in PROTECTED:
        raise FaultNotApplied(f"namespace {name} belongs to Kubernetes and is never touched")
    if name not in access.namespaces:
        raise FaultNotApplied(
            f"namespace {name} is not open to drills: kubernetes.namespaces of agent.yml has"
            f" {', '.join(access.namespaces)}"
        )
