"""All pods of a workload are replaced, a few at a time, as its own strategy has it.

kind: restart_rollout
namespace: shop
workload: deployment/engine        # or statefulset/engine, or daemonset/engine
complete_within: 5m

Nothing is put back at the end: what is awaited is that the roll-out completes.
"""

from __future__ import annotations

import math
import time
from datetime import timedelta
from typing import Literal

from pydantic import Field, PrivateAttr

from alertdrill.chaos.cluster_access import Namespace, Reach
from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.kubernetes import place, workload
from alertdrill.chaos.kubernetes.cluster_fault import WorkloadFault
from alertdrill.chaos.kubernetes.connection import ASKING, breaking, found, mending, opened, require_permissions, until
from alertdrill.chaos.kubernetes.opted_in import open_workload, require_listed
from alertdrill.chaos.kubernetes.place import Object, Place
from alertdrill.chaos.kubernetes.workload import Rolling
from alertdrill.units.duration import Duration

_ANNOTATION = "alertdrill.io/restarted-by"


class RestartRolloutInjection(Injection):
    """The workload, and the name of the fault, which its pods carry from then on."""

    kind: Literal["restart_rollout"] = "restart_rollout"
    name: str
    reach: Reach
    namespace: Namespace
    workload: Rolling
    complete_within: Duration
    _restarted_at: float | None = PrivateAttr(None)

    @property
    def target(self) -> str:
        """What it breaks, in words."""
        return f"namespace {self.namespace}: {self.workload}"

    @property
    def longest_undo(self) -> timedelta:
        """How long undoing it may take before it counts as hung."""
        return ASKING + self.complete_within

    @property
    def place(self) -> Place:
        """Where the workload is."""
        return workload.place(self.workload, self.namespace)

    async def inject(self) -> None:
        """Change an annotation of the pods' template; raises FaultNotApplied."""
        template = {"metadata": {"annotations": {_ANNOTATION: self.name}}}
        self._restarted_at = time.time()
        async with breaking(self.reach) as cluster:
            await cluster.patch(self.place, {"spec": {"template": template}})

    async def undo(self) -> None:
        """Wait until every pod is of the newest template and Ready; raises FaultNotHealed."""
        async with mending(self.reach) as cluster:

            async def missing() -> str:
                now = await found(cluster, self.place)
                if now is None:
                    self._outcome = f"somebody removed {self.workload} meanwhile"
                    return ""
                self._outcome = self._told(now)
                amiss = workload.amiss(now)
                return amiss and f"namespace {self.namespace}, {self.workload}: {amiss}"

            await until(missing, self.complete_within.total_seconds())

    def _told(self, now: Object) -> str:
        """Tell how long the roll-out took, where Kubernetes says when it was complete (of a Deployment, to the second)."""
        complete = workload.rolled_out_at(now)
        if self._restarted_at is None or complete is None:
            return "rolled out"
        return f"rolled out after {math.ceil(max(complete - self._restarted_at, 0.0))} s"


class RestartRollout(WorkloadFault):
    """Restart a Deployment, a StatefulSet or a DaemonSet, as `kubectl rollout restart` does."""

    kind: Literal["restart_rollout"] = "restart_rollout"
    workload: Rolling
    complete_within: Duration = Field(default=timedelta(minutes=5), gt=timedelta(0))

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> RestartRolloutInjection:
        """Find the workload; raises FaultNotApplied, also for one whose roll-out is under way or held back."""
        access = opened(endpoints)
        require_listed(access, self.namespace)
        where, own = workload.place(self.workload, self.namespace), place.namespace(self.namespace)
        async with breaking(access.reach) as cluster:
            await require_permissions(cluster, ("get", own), ("get", where), ("patch", where))
            now = await open_workload(cluster, access, self.workload, self.namespace)
        if now["spec"].get("paused"):
            raise FaultNotApplied(f"{self.workload} of namespace {self.namespace} is paused: nothing would roll out")
        if amiss := workload.amiss(now):
            raise FaultNotApplied(f"{self.workload} of namespace {self.namespace} is not whole: {amiss}")
        return RestartRolloutInjection(
            name=entry_id,
            reach=access.reach,
            **self.model_dump(include={"namespace", "workload", "complete_within"}),
        )
