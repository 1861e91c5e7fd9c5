"""A workload gets another number of replicas, and its own number again at the end.

kind: scale
namespace: shop
workload: deployment/engine        # or statefulset/engine
replicas: 0
ready_within: 2m

If another user or program sets a third number meanwhile, that one stays. At the end as many replicas must be Ready as
before, and no more.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.kubernetes import mark, place, workload
from alertdrill.chaos.kubernetes.cluster_fault import ClusterInjection, WorkloadFault, WorkloadInjection
from alertdrill.chaos.kubernetes.connection import (
    breaking,
    found,
    longest_undo,
    opened,
    require_permissions,
    undoing,
)
from alertdrill.chaos.kubernetes.opted_in import open_workload, require_listed
from alertdrill.chaos.kubernetes.place import ClusterError, Object
from alertdrill.chaos.kubernetes.whole import Before, until_whole
from alertdrill.chaos.kubernetes.workload import Scalable
from alertdrill.units.duration import Duration

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster


class ScaleInjection(WorkloadInjection, ClusterInjection):
    """The old and the new number of replicas of a workload."""

    kind: Literal["scale"] = "scale"
    workload: Scalable
    replicas: int
    replicas_before: int
    ready_before: int
    holder: str
    ready_within: Duration

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"namespace {self.namespace}: {self.workload} from {self.replicas_before} to {self.replicas} replicas"

    @property
    def by_hand(self) -> str:
        """The commands that set the old number and remove the mark."""
        back = f"kubectl scale -n {self.namespace} {self.workload} --replicas={self.replicas_before}"
        return f"{back} && {mark.removal(self.place)}"

    @property
    def longest_undo(self) -> timedelta:
        """The time after which an undo counts as hung."""
        return longest_undo(self.ready_within)

    async def inject(self) -> None:
        """Mark the workload if that is permitted, and set the new number; raises FaultNotApplied."""
        async with breaking(self.reach) as cluster:
            if await cluster.may("patch", self.place):
                own = mark.labels(self.name, self.replicas_before)
                await mark.hold(cluster, self.place, own, {})
            replicas = await self._set(cluster, self.replicas_before, self.replicas)
        if replicas != self.replicas:
            did = f"set {replicas} replicas of" if replicas is not None else "removed"
            raise FaultNotApplied(f"somebody {did} {self.workload} before the fault")

    async def _set(self, cluster: KubernetesCluster, replicas: int, to: int) -> int | None:
        """Change a number of replicas to another one, if nobody else did meanwhile.

        Return the number that is in force then, and None if the workload was removed.
        """
        there: int | None = None

        def change(now: Object) -> Object:
            nonlocal there
            before = now["spec"].get("replicas", 0)
            there = None if self.before.is_gone(now) else to if before in {replicas, to} else before
            return {"spec": {"replicas": to}} if there == to and before == replicas else {}

        try:
            await mark.patch_unchanged(cluster, self.place.of("scale"), change)
        except ClusterError as error:
            if error.status != 404:
                raise
            return None
        return there

    async def lost(self, cluster: KubernetesCluster) -> str:
        """Return why the workload has another number of replicas; empty while it has the fault's."""
        current = await found(cluster, self.place.of("scale"))
        if current is None or self.before.is_gone(current):
            return f"{self.workload} was removed"
        replicas = current["spec"].get("replicas", 0)
        return f"{self.workload} was set to {replicas} replicas" if replicas != self.replicas else ""

    async def undo(self) -> None:
        """Set the old number, and wait until as many replicas are Ready as before; raises FaultNotHealed."""
        async with undoing(self.reach, self.name, self.ready_within) as cluster:
            await self._require_last(cluster)
            replicas = await self._set(cluster, self.replicas, self.replicas_before)
            if replicas in {None, self.replicas_before}:
                await self._wait(cluster)
            else:
                self._outcome = f"left at the {replicas} replicas that were set meanwhile"
            await mark.release(cluster, self.place, self.name)

    async def _require_last(self, cluster: KubernetesCluster) -> None:
        """Raise FaultNotHealed when another drill changed the number of this fault, to which it will set it back."""
        there = await found(cluster, self.place)
        if there is None or self.before.is_gone(there) or workload.wanted(there) == self.replicas:
            return
        if other := mark.fault_of_another(there, self.holder):
            raise FaultNotHealed(
                f"{self.workload} of namespace {self.namespace} lost the mark of this fault and is held by the fault"
                f" {other}, which will set back the {self.replicas} replicas that it found: heal again after its end"
            )

    async def _wait(self, cluster: KubernetesCluster) -> None:
        def missing(now: Object) -> str:
            return workload.missing_part(now, self.ready_before, up_to_date=False)

        seconds = self.ready_within.total_seconds()
        now, told = await until_whole(cluster, self.namespace, self.before, missing, seconds)
        words = []
        if now is not None:
            ready = (now.get("status") or {}).get("readyReplicas", 0)
            some = f"{ready} of them Ready, {self.ready_before} before"
            words = [f"{self.replicas_before} replicas again, {'all Ready' if ready >= self.replicas_before else some}"]
        self._outcome = ", ".join([*words, *told])


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
            now = await open_workload(cluster, endpoints, self.workload, self.namespace)
        replicas = now["spec"].get("replicas", 1)
        if replicas == self.replicas:
            raise FaultNotApplied(f"{self.workload} of namespace {self.namespace} has {replicas} replicas already")
        # A restart by the same drill goes on to the release that serves.
        if not mark.is_ours(now) and (problem := workload.half_rolled_out(now)):
            raise FaultNotApplied(f"{self.workload} of namespace {self.namespace} cannot be scaled back: {problem}")
        return ScaleInjection(
            name=entry_id,
            reach=access.reach,
            replicas_before=replicas,
            ready_before=(now.get("status") or {}).get("readyReplicas", 0),
            before=Before.of(self.workload, now),
            holder=mark.holder(),
            **self.model_dump(include={"namespace", "workload", "replicas", "ready_within"}),
        )
