"""Nodes are drained: they accept no new pods, and the pods on them are evicted as their budgets allow.

kind: drain
selector: pool=drill               # or node: node-1
most_nodes: 3                      # refused if more nodes match
namespaces: [shop]                 # whose pods are evicted; all of agent.yml unless named
evict_within: 1m                   # how long a budget may refuse, before its pods stay
ready_within: 2m

Only pods of ReplicaSets and StatefulSets are evicted, and only those that are open to drills; others stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PrivateAttr

from alertdrill.chaos.cluster_access import Name, Namespace
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.kubernetes import place, workload
from alertdrill.chaos.kubernetes.connection import breaking, opened, require_permissions
from alertdrill.chaos.kubernetes.cordon import Cordon, CordonInjection
from alertdrill.chaos.kubernetes.evict_pods import eviction_of
from alertdrill.chaos.kubernetes.hit import Now, hits, is_alive
from alertdrill.chaos.kubernetes.opted_in import opted_in, require_listed, require_part
from alertdrill.chaos.kubernetes.own_pod import OwnPods
from alertdrill.chaos.kubernetes.place import ClusterError, Object
from alertdrill.chaos.kubernetes.pods import Pod, PodsInjection
from alertdrill.units.duration import Duration
from alertdrill.units.polling import poll
from alertdrill.units.text import some_of

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster

_AGAIN_SECONDS = 1.0
# What starts another pod for one that is evicted, elsewhere than a DaemonSet does, and without counting it as a failure as
# a Job does.
_REPLACING = ("replicaset/", "statefulset/")


class Evictions(PodsInjection):
    """The pods to evict in one namespace; a refused eviction is asked for again for a while."""

    evict_within: Duration
    # What the budgets say, by the names of the pods that stay.
    _refusals: dict[str, str] = PrivateAttr(default_factory=dict)

    async def inject(self) -> None:
        """Evict the pods; those that a budget protects all the time stay. Raises FaultNotApplied for any other failure."""
        async with breaking(self.reach) as cluster:
            await self._begin(cluster)
            left = list(self.pods)

            async def refused() -> str:
                left[:] = [pod for pod in left if not await self._is_evicted(cluster, pod)]
                return some_of([pod.name for pod in left])

            await poll(refused, self.evict_within.total_seconds(), _AGAIN_SECONDS)

    async def _is_evicted(self, cluster: KubernetesCluster, pod: Pod) -> bool:
        try:
            await cluster.create(self.place(pod).of("eviction"), eviction_of(pod, self.namespace, self.grace_seconds))
        except ClusterError as error:
            if error.by_budget:
                self._refusals[pod.name] = "; ".join(error.causes) or str(error)
                return False
            # It ended by itself, which empties the node too.
            if error.status not in {404, 409}:
                raise
        self._refusals.pop(pod.name, None)
        return True

    def _result(self, now: Sequence[Now]) -> str:
        evicted = len(self.pods) - len(self._refusals)
        words = [f"{evicted} of {len(self.pods)} pods evicted"] if self._hit_at is not None else []
        stay = [f"{name} stays: {why}" for name, why in self._refusals.items()]
        return f"namespace {self.namespace}: {', '.join([*words, *stay, super()._result(now)])}"


class DrainInjection(CordonInjection):
    """The nodes that were not cordoned before, and the pods to evict from them, by namespace."""

    kind: Literal["drain"] = "drain"  # type: ignore[assignment]
    evictions: tuple[Evictions, ...]

    @property
    def full_target(self) -> str:
        """The target with the names of all pods that are evicted."""
        return "; ".join([self.target, *(one.full_target for one in self.evictions)])

    @property
    def longest_undo(self) -> timedelta:
        """The time after which an undo counts as hung."""
        return super().longest_undo + sum((one.longest_undo for one in self.evictions), timedelta(0))

    async def inject(self) -> None:
        """Cordon the nodes, then evict the pods; raises FaultNotApplied."""
        await super().inject()
        for one in self.evictions:
            await one.inject()

    async def undo(self) -> None:
        """Uncordon the nodes, and wait until the workloads have again what they want; raises FaultNotHealed."""
        problems = []
        for step in (super().undo, *(one.undo for one in self.evictions)):
            try:
                await step()
            except FaultNotHealed as error:
                problems.append(str(error))
        if problems:
            raise FaultNotHealed("; ".join(problems))
        self._outcome = "; ".join([self._outcome, *(one.outcome for one in self.evictions)])


class Drain(Cordon):
    """Drain one node, or the nodes with some labels."""

    kind: Literal["drain"] = "drain"  # type: ignore[assignment]
    namespaces: tuple[Namespace, ...] | None = Field(default=None, min_length=1)
    grace_period: Duration | None = Field(default=None, ge=timedelta(0))
    evict_within: Duration = Field(default=timedelta(minutes=1), ge=timedelta(0))
    ready_within: Duration = Field(default=timedelta(minutes=2), gt=timedelta(0))

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> DrainInjection:
        """Find the nodes and their pods; raises FaultNotApplied, also when there is no pod to evict."""
        access = opened(endpoints)
        namespaces = self.namespaces or access.namespaces
        for name in namespaces:
            require_listed(access, name)
        cordon = await super().resolve(endpoints, entry_id)
        evictions: list[Evictions] = []
        async with breaking(access.reach) as cluster:
            for name in namespaces:
                chosen = await self._to_evict(cluster, endpoints, name, cordon.nodes)
                evictions += [await self._evictions(cluster, cordon, name, chosen)] if chosen else []
        if not evictions:
            raise FaultNotApplied(
                f"no pod that may be evicted is on the nodes {', '.join(cordon.nodes)}: expected one of namespace"
                f" {' or '.join(namespaces)} that is open to drills, of a ReplicaSet or a StatefulSet"
            )
        return DrainInjection(name=entry_id, reach=access.reach, nodes=cordon.nodes, evictions=tuple(evictions))

    async def _evictions(
        self, cluster: KubernetesCluster, cordon: CordonInjection, name: str, chosen: list[Object]
    ) -> Evictions:
        return Evictions(
            name=cordon.name,
            reach=cordon.reach,
            namespace=name,
            pods=tuple(map(Pod.of, chosen)),
            hits=await hits(cluster, name, chosen),
            **self.model_dump(include={"grace_period", "evict_within", "ready_within"}),
        )

    async def _to_evict(
        self, cluster: KubernetesCluster, endpoints: Endpoints, name: str, nodes: Sequence[Name]
    ) -> list[Object]:
        """List the pods of a namespace that the drain evicts; raises FaultNotApplied and ClusterError."""
        access, where = opened(endpoints), place.pods(name)
        eviction = ("create", where.of("eviction"))
        await require_permissions(cluster, ("get", place.namespace(name)), ("list", where), eviction)
        there = await cluster.listed(where)
        on_nodes = [pod for pod in there if pod["spec"].get("nodeName") in nodes and _owner(pod) and is_alive(pod)]
        own = await OwnPods.of(cluster, endpoints, name)
        chosen = own.without(await opted_in(cluster, access, name, on_nodes))
        require_part(access, len(chosen), sum(map(is_alive, there)), f"nodes {', '.join(nodes)} in namespace {name}")
        return chosen


def _owner(pod: Object) -> str:
    """Return what would start another pod; empty if nothing would."""
    owner = workload.owner_of(pod) or ""
    return owner if owner.startswith(_REPLACING) else ""
