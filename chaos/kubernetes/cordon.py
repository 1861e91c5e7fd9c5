"""Nodes accept no new pods.

kind: cordon
selector: pool=drill               # or node: node-1
most_nodes: 3                      # refused if more nodes match

Each node must carry the label of agent.yml. Nodes that were cordoned before stay cordoned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from alertdrill.chaos.cluster_access import Kubernetes, Name
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.kubernetes import mark, place
from alertdrill.chaos.kubernetes.cluster_fault import ClusterFault, ClusterInjection
from alertdrill.chaos.kubernetes.connection import breaking, found, opened, require_permissions, undoing
from alertdrill.chaos.kubernetes.opted_in import carries
from alertdrill.chaos.kubernetes.place import Object

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster

# Marks the nodes that this fault cordoned.
_ANNOTATION = "alertdrill.io/cordoned-by"


class CordonInjection(ClusterInjection):
    """The nodes that were not cordoned before."""

    kind: Literal["cordon"] = "cordon"
    name: str
    nodes: tuple[Name, ...]

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"nodes {', '.join(self.nodes)}"

    async def inject(self) -> None:
        """Cordon each node under the fault's name; raises FaultNotApplied."""
        change = {"metadata": {"annotations": {_ANNOTATION: self.name}}, "spec": {"unschedulable": True}}
        async with breaking(self.reach) as cluster:
            for name in self.nodes:
                await mark.hold(cluster, place.nodes().named(name), self.name, change, _require_uncordoned)

    async def lost(self, cluster: KubernetesCluster) -> str:
        """Return which node is not cordoned by this fault any more; empty while all are."""
        for name in self.nodes:
            node = await found(cluster, place.nodes().named(name))
            if node is None or _cordoned_by(node) != self.name or not _is_cordoned(node):
                return f"node {name} was uncordoned, or is gone"
        return ""

    async def undo(self) -> None:
        """Uncordon the nodes that carry the fault's name, and confirm it; raises FaultNotHealed."""
        async with undoing(self.reach) as cluster:
            for name in self.nodes:
                await self._uncordon(cluster, name)
        self._outcome = f"{len(self.nodes)} nodes take pods again"

    async def _uncordon(self, cluster: KubernetesCluster, name: str) -> None:
        where = place.nodes().named(name)
        node = await found(cluster, where)
        if node is not None and _cordoned_by(node) == self.name:
            change = {"metadata": {"annotations": {_ANNOTATION: None}}, "spec": {"unschedulable": None}}
            await cluster.patch(where, change)
            node = await found(cluster, where)
            if node is not None and _cordoned_by(node) == self.name:
                raise FaultNotHealed(f"node {name} is still cordoned")
        await mark.release(cluster, where, self.name)


class Cordon(ClusterFault):
    """Cordon one node, or the nodes with some labels."""

    kind: Literal["cordon"] = "cordon"
    selector: str | None = Field(default=None, min_length=1)
    node: Name | None = None
    most_nodes: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _has_one_target(self) -> Self:
        if (self.selector is None) == (self.node is None):
            msg = "expected either selector or node"
            raise ValueError(msg)
        return self

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"nodes {self.node or self.selector}"

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> CordonInjection:
        """Find the nodes; raises FaultNotApplied for none, for too many, and for nodes that must not be touched."""
        access, nodes = opened(endpoints), place.nodes()
        async with breaking(access.reach) as cluster:
            await require_permissions(cluster, ("get", nodes), ("list", nodes), ("patch", nodes))
            there = await self._nodes(cluster)
        if not there:
            raise FaultNotApplied(f"there is no node {self.node or self.selector}")
        _require_open(there, access)
        for one in there:
            mark.require_free(one, nodes.named(one["metadata"]["name"]))
        free = tuple(one["metadata"]["name"] for one in there if not _is_cordoned(one))
        if not free:
            raise FaultNotApplied(f"all {len(there)} nodes {self.node or self.selector} are cordoned already")
        if len(free) > self.most_nodes:
            raise FaultNotApplied(
                f"{len(free)} nodes match {self.selector}, expected at most {self.most_nodes} (most_nodes): {', '.join(free)}"
            )
        return CordonInjection(name=entry_id, reach=access.reach, nodes=free)

    async def _nodes(self, cluster: KubernetesCluster) -> list[Object]:
        if self.node is None:
            return await cluster.listed(place.nodes(), self.selector or "")
        node = await found(cluster, place.nodes().named(self.node))
        return [node] if node is not None else []


def _require_open(nodes: list[Object], access: Kubernetes) -> None:
    closed = [one["metadata"]["name"] for one in nodes if not carries(one, access.label)]
    if closed:
        raise FaultNotApplied(
            f"nodes {', '.join(closed)} are not open to drills: they do not carry {access.label_words}"
        )


def _require_uncordoned(node: Object) -> None:
    if _is_cordoned(node):
        raise FaultNotApplied(f"node {node['metadata']['name']} was cordoned before the fault")


def _is_cordoned(node: Object) -> bool:
    return bool(node["spec"].get("unschedulable"))


def _cordoned_by(node: Object) -> str | None:
    by: str | None = (node["metadata"].get("annotations") or {}).get(_ANNOTATION)
    return by
