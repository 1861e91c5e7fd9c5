"""Pods are evicted, as when a node is drained: a PodDisruptionBudget may refuse.

kind: evict_pods
namespace: shop
owner: deployment/engine           # or selector: app=engine
share: 0.5                         # or count: 1
max: 10                            # of a share
ready_within: 2m

After a refusal the drill goes on, and the report names the budget that refused.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from pydantic import PrivateAttr

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.kubernetes import place
from alertdrill.chaos.kubernetes.connection import all_done, breaking
from alertdrill.chaos.kubernetes.hit import Now
from alertdrill.chaos.kubernetes.place import ClusterError, Object
from alertdrill.chaos.kubernetes.pods import Pod, PodsFault, PodsInjection
from alertdrill.units.text import some_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alertdrill.chaos.kubernetes.client import KubernetesCluster


class EvictPodsInjection(PodsInjection):
    """Evicts the chosen pods, one after another."""

    kind: Literal["evict_pods"] = "evict_pods"
    # The names of the pods that stay, by what their budgets say.
    _refusals: dict[str, list[str]] = PrivateAttr(default_factory=dict)

    async def inject(self) -> None:
        """Evict the pods; a pod that a budget protects stays. Raises FaultNotApplied for any other failure."""
        async with breaking(self.reach) as cluster:
            await self._begin(cluster)
            # Many at once would be in each other's way at their budget.
            await all_done(partial(self._evict, cluster), self.pods, "evictions were answered", at_once=1)

    async def _evict(self, cluster: KubernetesCluster, pod: Pod) -> None:
        eviction = eviction_of(pod, self.namespace, self.grace_seconds)
        try:
            await cluster.create(self.place(pod).of("eviction"), eviction)
        except ClusterError as error:
            if error.by_budget:
                self._refusals.setdefault("; ".join(error.causes), []).append(pod.name)
                return
            if error.status in {404, 409}:
                if error.was_unsure:
                    return
                raise FaultNotApplied(f"pod {pod.name} ended by itself before the fault") from error
            raise

    def _result(self, now: Sequence[Now]) -> str:
        evicted = len(self.pods) - sum(map(len, self._refusals.values()))
        words = [f"{evicted} of {len(self.pods)} pods evicted"] if self._hit_at is not None else []
        for why, names in self._refusals.items():
            words.append(f"{some_of(names)} {'stays' if len(names) == 1 else 'stay'}: {why}")
        return ", ".join([*words, super()._result(now)])


class EvictPods(PodsFault):
    """Evict some pods of a namespace."""

    kind: Literal["evict_pods"] = "evict_pods"

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> EvictPodsInjection:
        """Choose the pods; raises FaultNotApplied for none, for too few, and for pods that must not be touched."""
        eviction = place.pods(self.namespace).of("eviction")
        return EvictPodsInjection(**await self._chosen(endpoints, entry_id, ("create", eviction)))


def eviction_of(pod: Pod, namespace: str, grace_seconds: int | None) -> Object:
    """Return the request to evict exactly this pod; pure."""
    options: Object = {"preconditions": {"uid": pod.uid}}
    if grace_seconds is not None:
        options["gracePeriodSeconds"] = grace_seconds
    metadata = {"name": pod.name, "namespace": namespace}
    return {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata, "deleteOptions": options}
