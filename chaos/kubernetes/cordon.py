"""Nodes accept no new pods.

kind: cordon
selector: pool=drill               # or node: node-1
most_nodes: 3                      # refused if more nodes match

Each node must carry the label of agent.yml. Nodes that were cordoned before stay cordoned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from alertdrill.chaos.cluster_access import Kubernetes, Name, Selector
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.kubernetes import mark, place
from alertdrill.chaos.kubernetes.cluster_fault import ClusterFault, ClusterInjection
from alertdrill.chaos.kubernetes.connection import breaking, found, opened, require_permissions, undoing
from alertdrill.chaos.kubernetes.opted_in import carries
from alertdrill.chaos.kubernetes.place import Object, Place
from alertdrill.units.text import some_of

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster


_CORDON: Object = {"spec": {"unschedulable": True}}


class CordonInjection(ClusterInjection):
    """The nodes that were not cordoned before."""

    kind: Literal["cordon"] = "cordon"
    name: str
    nodes: tuple[Name, ...]
    # The nodes that this process may have cordoned; None in a process that did not inject the fault.
    _tried: set[str] | None = PrivateAttr(None)

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"nodes {some_of(self.nodes)}"

    @property
    def full_target(self) -> str:
        """The target with the names of all nodes."""
        return f"nodes {', '.join(self.nodes)}"

    @property
    def by_hand(self) -> str:
        """The commands that uncordon the nodes and remove their marks."""
        marks = " && ".join(mark.removal(_place(name)) for name in self.nodes)
        return f"kubectl uncordon {' '.join(self.nodes)} && {marks}"

    async def inject(self) -> None:
        """Cordon each node under the fault's mark; raises FaultNotApplied."""
        self._tried = set()
        async with breaking(self.reach) as cluster:
            for name in self.nodes:
                self._tried.add(name)
                try:
                    await mark.hold(cluster, _place(name), mark.labels(self.name), _CORDON, _require_uncordoned)
                except FaultNotApplied:
                    self._tried.remove(name)
                    raise

    async def lost(self, cluster: KubernetesCluster) -> str:
        """Return which node is not cordoned by this fault any more; empty while all are."""
        for name in self.nodes:
            node = await found(cluster, _place(name))
            if node is None or mark.fault_of(node) != self.name or not _is_cordoned(node):
                return f"node {name} was uncordoned, or is gone"
        return ""

    async def undo(self) -> None:
        """Uncordon the nodes that carry the fault's mark, and confirm it; raises FaultNotHealed."""
        told, problems = [], []
        async with undoing(self.reach, self.name) as cluster:
            for name in self.nodes:
                try:
                    told += await self._uncordon(cluster, name)
                except FaultNotHealed as error:
                    problems.append(str(error))
        if problems:
            raise FaultNotHealed("; ".join(problems))
        self._outcome = ", ".join([f"{len(self.nodes) - len(told)} nodes take pods again", *told])

    async def _uncordon(self, cluster: KubernetesCluster, name: str) -> list[str]:
        """Uncordon a node; return what others did to it meanwhile, in words, if anything."""
        node = await found(cluster, _place(name))
        if node is None:
            return [f"node {name} was removed meanwhile"]
        if mark.fault_of(node) != self.name:
            return self._unmarked(node, name)
        told = [] if _is_cordoned(node) else [f"somebody uncordoned node {name} meanwhile"]
        await mark.release(cluster, _place(name), self.name, {"spec": {"unschedulable": None}})
        node = await found(cluster, _place(name))
        if node is not None and mark.fault_of(node) == self.name:
            raise FaultNotHealed(f"node {name} is still cordoned")
        if self._tried is not None:
            self._tried.discard(name)
        return told

    def _unmarked(self, node: Object, name: str) -> list[str]:
        """Return what others did to a node that does not carry the mark (any more); raises FaultNotHealed."""
        is_ours = self._tried is None or name in self._tried
        if not _is_cordoned(node):
            return [f"somebody uncordoned node {name} meanwhile"] if self._tried and is_ours else []
        if other := mark.fault_of(node):
            return [f"node {name} is cordoned by the fault {other}"]
        if not is_ours:
            return [f"somebody else cordoned node {name}"]
        raise FaultNotHealed(
            f"node {name} is cordoned and has lost the mark of the fault, so somebody else may have cordoned it:"
            f" if nobody did, kubectl uncordon {name}; if somebody did, give the entry up:"
            f' alertdrill heal --give-up {self.name} --because "{name} stays cordoned"'
        )


class Cordon(ClusterFault):
    """Cordon one node, or the nodes with some labels."""

    kind: Literal["cordon"] = "cordon"
    selector: Selector | None = None
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


def _place(name: str) -> Place:
    return place.nodes().named(name)


def _require_uncordoned(node: Object) -> None:
    if _is_cordoned(node):
        raise FaultNotApplied(f"node {node['metadata']['name']} was cordoned before the fault")


def _is_cordoned(node: Object) -> bool:
    return bool(node["spec"].get("unschedulable"))
