"""A workload gets another number of replicas, and its own number again at the end.

kind: scale
namespace: shop
workload: deployment/engine        # or statefulset/engine
replicas: 0
ready_within: 2m

If another user or program sets a third number meanwhile, that one stays.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from alertdrill.chaos.cluster_access import Namespace
from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.kubernetes import mark, place, workload
from alertdrill.chaos.kubernetes.cluster_fault import ClusterInjection, WorkloadFault
from alertdrill.chaos.kubernetes.connection import (
    REQUESTS,
    breaking,
    found,
    opened,
    require_permissions,
    undoing,
    until,
)
from alertdrill.chaos.kubernetes.opted_in import open_workload, require_listed
from alertdrill.chaos.kubernetes.place import Place
from alertdrill.chaos.kubernetes.workload import Scalable
from alertdrill.units.duration import Duration

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster


class ScaleInjection(ClusterInjection):
    """The old and the new number of replicas of a workload."""

    kind: Literal["scale"] = "scale"
    name: str
    namespace: Namespace
    workload: Scalable
    replicas: int
    replicas_before: int
    ready_within: Duration

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"namespace {self.namespace}: {self.workload} from {self.replicas_before} to {self.replicas} replicas"

    @property
    def longest_undo(self) -> timedelta:
        """The time after which an undo counts as hung."""
        return REQUESTS + self.ready_within

    @property
    def place(self) -> Place:
        """The place of the workload."""
        return workload.place(self.workload, self.namespace)

    async def inject(self) -> None:
        """Mark the workload if that is permitted, and set the new number; raises FaultNotApplied."""
        async with breaking(self.reach) as cluster:
            if await cluster.may("patch", self.place):
                await mark.hold(cluster, self.place, self.name, {})
            await cluster.patch(self.place.of("scale"), {"spec": {"replicas": self.replicas}})

    async def lost(self, cluster: KubernetesCluster) -> str:
        """Return why the workload has another number of replicas; empty while it has the fault's."""
        current = await found(cluster, self.place.of("scale"))
        if current is None:
            return f"{self.workload} was removed"
        replicas = current["spec"].get("replicas", 0)
        return f"{self.workload} was set to {replicas} replicas" if replicas != self.replicas else ""

    async def undo(self) -> None:
        """Set the old number, and wait until that many replicas are Ready; raises FaultNotHealed."""
        async with undoing(self.reach) as cluster:
            await self._restore(cluster)
            await mark.release(cluster, self.place, self.name)

    async def _restore(self, cluster: KubernetesCluster) -> None:
        current = await found(cluster, self.place.of("scale"))
        if current is None:
            self._outcome = f"{self.workload} was removed meanwhile"
            return
        replicas = current["spec"].get("replicas", 0)
        if replicas not in {self.replicas, self.replicas_before}:
            self._outcome = f"left at the {replicas} replicas that were set meanwhile"
            return
        if replicas != self.replicas_before:
            await cluster.patch(self.place.of("scale"), {"spec": {"replicas": self.replicas_before}})

        async def missing() -> str:
            missing_part = workload.missing_part(await cluster.get(self.place))
            return missing_part and f"namespace {self.namespace}, {self.workload}: {missing_part}"

        await until(missing, self.ready_within.total_seconds())
        self._outcome = f"{self.replicas_before} replicas again, all Ready"


class Scale(WorkloadFault):
    """Scale a Deployment or a StatefulSet."""

    kind: Literal["scale"] = "scale"
    workload: Scalable
    replicas: int = Field(ge=0)
    ready_within: Duration = Field(default=timedelta(minutes=2), gt=timedelta(0))

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> ScaleInjection:
        """Read the current number; raises FaultNotApplied, also when it is the requested one."""
        access = opened(endpoints)
        require_listed(access, self.namespace)
        where, own = workload.place(self.workload, self.namespace), place.namespace(self.namespace)
        scale = where.of("scale")
        async with breaking(access.reach) as cluster:
            await require_permissions(cluster, ("get", own), ("get", where), ("get", scale), ("patch", scale))
            now = await open_workload(cluster, access, self.workload, self.namespace)
        replicas = now["spec"].get("replicas", 1)
        if replicas == self.replicas:
            raise FaultNotApplied(f"{self.workload} of namespace {self.namespace} has {replicas} replicas already")
        return ScaleInjection(
            name=entry_id,
            reach=access.reach,
            replicas_before=replicas,
            **self.model_dump(include={"namespace", "workload", "replicas", "ready_within"}),
        )
