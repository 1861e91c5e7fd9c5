"""All pods of a workload are replaced, a few at a time, by its own strategy.

kind: restart_rollout
namespace: shop
workload: deployment/engine        # or statefulset/engine, or daemonset/engine
complete_within: 5m

The end restores nothing: it waits until the roll-out is complete, which with a partition leaves some pods as they are.
"""

from __future__ import annotations

import math
import time
from datetime import timedelta
from typing import Literal

from pydantic import Field, PrivateAttr

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.kubernetes import mark, place, workload
from alertdrill.chaos.kubernetes.cluster_fault import RolloutInjection, WorkloadFault
from alertdrill.chaos.kubernetes.connection import (
    breaking,
    opened,
    require_permissions,
    undoing,
)
from alertdrill.chaos.kubernetes.opted_in import open_workload, require_listed
from alertdrill.chaos.kubernetes.place import Object
from alertdrill.chaos.kubernetes.whole import Before, until_whole
from alertdrill.chaos.kubernetes.workload import Rolling
from alertdrill.units.duration import Duration


class RestartRolloutInjection(RolloutInjection):
    """The workload, and the fault's name, which the new pods carry."""

    kind: Literal["restart_rollout"] = "restart_rollout"
    workload: Rolling
    _restarted_at: float | None = PrivateAttr(None)

    @property
    def by_hand(self) -> str:
        """The command that removes the mark, once the roll-out is complete or stopped."""
        return mark.removal(self.place)

    async def inject(self) -> None:
        """Mark the workload, and change an annotation of the pods' template; raises FaultNotApplied."""
        template = {"metadata": {"annotations": {workload.RESTARTED: self.name}}}
        self._restarted_at = time.time()
        async with breaking(self.reach) as cluster:
            await mark.hold(cluster, self.place, mark.labels(self.name), {"spec": {"template": template}})

    async def undo(self) -> None:
        """Wait until every pod has the newest template and is Ready; raises FaultNotHealed.

        What somebody keeps from rolling out meanwhile is not waited for.
        """
        async with undoing(self.reach, self.name, self.complete_within) as cluster:
            seconds = self.complete_within.total_seconds()
            now, told = await until_whole(cluster, self.namespace, self.before, self._missing, seconds)
            if now is not None:
                told = [*self._result(now), *told]
            self._outcome = ", ".join(told)
            await mark.release(cluster, self.place, self.name)

    def _result(self, now: Object) -> list[str]:
        """Return how long the roll-out took, in whole seconds; Kubernetes records that for Deployments only."""
        if kept := workload.keeps_template(now):
            return [f"{self.workload} {kept}"]
        if self._missing(now):
            return []
        complete = workload.rolled_out_at(now)
        if self._restarted_at is None or complete is None:
            return ["rolled out"]
        return [f"rolled out after {math.ceil(max(complete - self._restarted_at, 0.0))} s"]


class RestartRollout(WorkloadFault):
    """Restart a Deployment, a StatefulSet or a DaemonSet, as `kubectl rollout restart` does."""

    kind: Literal["restart_rollout"] = "restart_rollout"
    workload: Rolling
    complete_within: Duration = Field(default=timedelta(minutes=5), gt=timedelta(0))

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> RestartRolloutInjection:
        """Find the workload; raises FaultNotApplied, also when it would not roll out, or is doing so already."""
        access = opened(endpoints)
        require_listed(access, self.namespace)
        where, own = workload.place(self.workload, self.namespace), place.namespace(self.namespace)
        async with breaking(access.reach) as cluster:
            await require_permissions(cluster, ("get", own), ("get", where), ("patch", where))
            now = await open_workload(cluster, endpoints, self.workload, self.namespace)
        if kept := workload.keeps_template(now):
            raise FaultNotApplied(f"{self.workload} of namespace {self.namespace} {kept}")
        if missing_part := workload.missing_part(now):
            raise FaultNotApplied(f"{self.workload} of namespace {self.namespace} is not complete: {missing_part}")
        return RestartRolloutInjection(
            name=entry_id,
            reach=access.reach,
            before=Before.of(self.workload, now),
            **self.model_dump(include={"namespace", "workload", "complete_within"}),
        )
