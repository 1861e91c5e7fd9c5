"""Pods are evicted, as when a node is drained: a PodDisruptionBudget may refuse.

kind: evict_pods
namespace: shop
owner: deployment/engine           # or selector: app=engine
share: 0.5                         # or count: 1
ready_within: 2m

After a refusal the drill goes on, and the report names the budget that refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import PrivateAttr

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.kubernetes import place
from alertdrill.chaos.kubernetes.connection import breaking
from alertdrill.chaos.kubernetes.place import ClusterError, Object
from alertdrill.chaos.kubernetes.pods import Pod, PodsFault, PodsInjection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alertdrill.chaos.kubernetes.client import KubernetesCluster


class EvictPodsInjection(PodsInjection):
    """Evicts the chosen pods, one after another."""

    kind: Literal["evict_pods"] = "evict_pods"
    _refusals: list[str] = PrivateAttr(default_factory=list)

    async def inject(self) -> None:
        """Evict the pods; a pod that a budget protects stays. Raises FaultNotApplied for any other failure."""
        self._mark()
        async with breaking(self.reach) as cluster:
            for pod in self.pods:
                await self._evict(cluster, pod)

    async def _evict(self, cluster: KubernetesCluster, pod: Pod) -> None:
        options: Object = {"preconditions": {"uid": pod.uid}}
        if self.grace_seconds is not None:
            options["gracePeriodSeconds"] = self.grace_seconds
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": self.where.namespace},
            "deleteOptions": options,
        }
        try:
            await cluster.create(self.place(pod).of("eviction"), eviction)
        except ClusterError as error:
            if error.status == 429:
                self._refusals.append(f"{pod.name} stays: {'; '.join(error.causes) or error}")
                return
            if error.status in {404, 409}:
                raise FaultNotApplied(f"pod {pod.name} ended by itself before the fault") from error
            raise

    def _result(self, ready: Sequence[Object]) -> str:
        evicted = len(self.pods) - len(self._refusals)
        words = [f"{evicted} of {len(self.pods)} pods evicted"] if self._hit_at is not None else []
        return ", ".join([*words, *self._refusals, super()._result(ready)])


class EvictPods(PodsFault):
    """Evict some pods of a namespace."""

    kind: Literal["evict_pods"] = "evict_pods"

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> EvictPodsInjection:  # noqa: ARG002 - creates nothing
        """Choose the pods; raises FaultNotApplied for none, for too few, and for pods that must not be touched."""
        eviction = place.pods(self.namespace).of("eviction")
        return EvictPodsInjection(**await self._chosen(endpoints, ("create", eviction)))
