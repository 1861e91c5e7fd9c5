"""All pods of a workload are replaced, a few at a time, by its own strategy.

kind: restart_rollout
namespace: shop
workload: deployment/engine        # or statefulset/engine, or daemonset/engine
complete_within: 5m

The end restores nothing: it waits until the roll-out is complete.
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
from alertdrill.chaos.kubernetes import mark, place, workload
from alertdrill.chaos.kubernetes.cluster_fault import WorkloadFault
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
from alertdrill.chaos.kubernetes.place import Object, Place
from alertdrill.chaos.kubernetes.workload import Rolling
from alertdrill.units.duration import Duration

_ANNOTATION = "alertdrill.io/restarted-by"


class RestartRolloutInjection(Injection):
    """The workload, and the fault's name, which the new pods carry."""

    kind: Literal["restart_rollout"] = "restart_rollout"
    name: str
    reach: Reach
    namespace: Namespace
    workload: Rolling
    complete_within: Duration
    _restarted_at: float | None = PrivateAttr(None)

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"namespace {self.namespace}: {self.workload}"

    @property
    def longest_undo(self) -> timedelta:
        """The time after which an undo counts as hung."""
        return REQUESTS + self.complete_within

    @property
    def place(self) -> Place:
        """The place of the workload."""
        return workload.place(self.workload, self.namespace)

    async def inject(self) -> None:
        """Mark the workload, and change an annotation of the pods' template; raises FaultNotApplied."""
        template = {"metadata": {"annotations": {_ANNOTATION: self.name}}}
        self._restarted_at = time.time()
        async with breaking(self.reach) as cluster:
            await mark.hold(cluster, self.place, self.name, {"spec": {"template": template}})

    async def undo(self) -> None:
        """Wait until every pod has the newest template and is Ready; raises FaultNotHealed."""
        async with undoing(self.reach) as cluster:

            async def missing() -> str:
                now = await found(cluster, self.place)
                if now is None:
                    self._outcome = f"{self.workload} was removed meanwhile"
                    return ""
                self._outcome = self._result(now)
                missing_part = workload.missing_part(now)
                return missing_part and f"namespace {self.namespace}, {self.workload}: {missing_part}"

            await until(missing, self.complete_within.total_seconds())
            await mark.release(cluster, self.place, self.name)

    def _result(self, now: Object) -> str:
        """Return how long the roll-out took, in whole seconds; Kubernetes records that for Deployments only."""
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
        """Find the workload; raises FaultNotApplied, also when a roll-out is under way or paused."""
        access = opened(endpoints)
        require_listed(access, self.namespace)
        where, own = workload.place(self.workload, self.namespace), place.namespace(self.namespace)
        async with breaking(access.reach) as cluster:
            await require_permissions(cluster, ("get", own), ("get", where), ("patch", where))
            now = await open_workload(cluster, access, self.workload, self.namespace)
        if now["spec"].get("paused"):
            raise FaultNotApplied(f"{self.workload} of namespace {self.namespace} is paused: nothing would roll out")
        if missing_part := workload.missing_part(now):
            raise FaultNotApplied(f"{self.workload} of namespace {self.namespace} is not complete: {missing_part}")
        return RestartRolloutInjection(
            name=entry_id,
            reach=access.reach,
            **self.model_dump(include={"namespace", "workload", "complete_within"}),
        )
