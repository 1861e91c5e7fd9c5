"""Pods are killed, and their controller starts others.

kind: kill_pods
namespace: shop
selector: app=engine               # or owner: deployment/engine
count: 1                           # or share: 0.5 of those that match, at least one
seed: 7                            # the same pods each time; random without it
grace_period: 0s                   # the pod's own unless named
ready_within: 2m
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.kubernetes import place
from alertdrill.chaos.kubernetes.connection import all_done, breaking
from alertdrill.chaos.kubernetes.place import ClusterError
from alertdrill.chaos.kubernetes.pods import Pod, PodsFault, PodsInjection

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster


class KillPodsInjection(PodsInjection):
    """Deletes the chosen pods."""

    kind: Literal["kill_pods"] = "kill_pods"

    async def inject(self) -> None:
        """Delete all pods, so many at once as an API server bears; raises FaultNotApplied, also when one ended by itself."""
        async with breaking(self.reach) as cluster:
            await self._begin(cluster)
            await all_done(partial(self._kill, cluster), self.pods, "pods were killed")

    async def _kill(self, cluster: KubernetesCluster, pod: Pod) -> None:
        try:
            await cluster.delete(self.place(pod), pod.uid, self.grace_seconds)
        except ClusterError as error:
            if error.status in {404, 409}:
                raise FaultNotApplied(f"pod {pod.name} ended by itself before the fault") from error
            raise


class KillPods(PodsFault):
    """Kill some pods of a namespace."""

    kind: Literal["kill_pods"] = "kill_pods"

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> KillPodsInjection:
        """Choose the pods; raises FaultNotApplied for none, for too few, and for pods that must not be touched."""
        return KillPodsInjection(**await self._chosen(endpoints, entry_id, ("delete", place.pods(self.namespace))))
