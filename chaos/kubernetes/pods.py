"""The shared part of faults of pods: the choice of pods, and the wait until others are Ready in their place."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, PrivateAttr, model_validator

from alertdrill.chaos.cluster_access import Name, Namespace, Reach
from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.kubernetes import mark, place, workload
from alertdrill.chaos.kubernetes.cluster_fault import ClusterFault
from alertdrill.chaos.kubernetes.connection import REQUESTS, breaking, opened, require_permissions, undoing, until
from alertdrill.chaos.kubernetes.opted_in import opted_in, require_listed
from alertdrill.chaos.kubernetes.place import ClusterError, Object, Place
from alertdrill.chaos.kubernetes.workload import Owner
from alertdrill.units.duration import Duration
from alertdrill.units.settings import Settings

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster


class Pod(Settings):
    """One pod; a later pod with the same name has another uid."""

    name: Name
    uid: str


class Where(Settings):
    """The pods to choose from: those with some labels, and of one owner if there is one."""

    namespace: Namespace
    owner: Owner | None
    selector: str


class PodsInjection(Injection):
    """The chosen pods, the pods that they were chosen from, and how many of those were Ready."""

    reach: Reach
    where: Where
    pods: tuple[Pod, ...]
    ready_before: int
    grace_period: Duration | None
    ready_within: Duration
    _hit_at: float | None = PrivateAttr(None)

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"namespace {self.where.namespace}: pods {', '.join(pod.name for pod in self.pods)}"

    @property
    def longest_undo(self) -> timedelta:
        """The time after which an undo counts as hung."""
        return REQUESTS + self.ready_within

    @property
    def grace_seconds(self) -> int | None:
        """The time for a pod to end, in whole seconds; None for the pod's own."""
        return None if self.grace_period is None else math.ceil(self.grace_period.total_seconds())

    def place(self, pod: Pod) -> Place:
        """Return the place of a pod."""
        return place.pods(self.where.namespace).named(pod.name)

    async def undo(self) -> None:
        """Wait until as many pods are Ready as before; raises FaultNotHealed when they are not in time."""
        async with undoing(self.reach) as cluster:

            async def missing() -> str:
                try:
                    ready = [pod for pod in await matching(cluster, self.where) if is_ready(pod)]
                except ClusterError as error:
                    if error.status != 404:
                        raise
                    self._outcome = f"{self.where.owner} was removed meanwhile"
                    return ""
                if len(ready) < self.ready_before:
                    return f"namespace {self.where.namespace}: {len(ready)} of {self.ready_before} pods are Ready"
                self._outcome = self._result(ready)
                return ""

            await until(missing, self.ready_within.total_seconds())

    def _result(self, ready: Sequence[Object]) -> str:
        words = f"all {self.ready_before} pods Ready"
        if self._hit_at is None or not self.ready_before:
            return words
        # Kubernetes has times in whole seconds, by the clock of its own machine.
        seconds = max(max(_ready_since(pod) for pod in ready) - self._hit_at, 0.0)
        return f"{words}, after {math.ceil(seconds)} s"

    def _mark(self) -> None:
        """Record when the pods were hit."""
        self._hit_at = time.time()


class PodsFault(ClusterFault):
    """Some pods of a namespace: by labels or by owner; a count or a share; chosen at random or by a seed."""

    namespace: Namespace
    selector: str | None = Field(default=None, min_length=1)
    owner: Owner | None = None
    count: int | None = Field(default=None, ge=1)
    share: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = None
    grace_period: Duration | None = Field(default=None, ge=timedelta(0))
    ready_within: Duration = Field(default=timedelta(minutes=2), gt=timedelta(0))

    @model_validator(mode="after")
    def _is_unambiguous(self) -> Self:
        if (self.selector is None) == (self.owner is None):
            msg = "expected either selector or owner"
            raise ValueError(msg)
        if self.count is not None and self.share is not None:
            msg = "has both count and share, expected one of them"
            raise ValueError(msg)
        return self

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"namespace {self.namespace}: pods of {self.owner or self.selector}"

    async def _chosen(self, endpoints: Endpoints, *needed: tuple[str, Place]) -> dict[str, Any]:
        """Choose the pods, after a check of all permissions; returns the fields of a PodsInjection.

        Raises FaultNotApplied.
        """
        access = opened(endpoints)
        require_listed(access, self.namespace)
        pods = place.pods(self.namespace)
        async with breaking(access.reach) as cluster:
            owner = [("get", workload.place(self.owner, self.namespace))] if self.owner else []
            own = place.namespace(self.namespace)
            await require_permissions(cluster, ("get", own), *owner, ("list", pods), *needed)
            selector = self.selector or await self._selector_of_owner(cluster)
            where = Where(namespace=self.namespace, owner=self.owner, selector=selector)
            found = await matching(cluster, where)
            if not found:
                raise FaultNotApplied(f"there is no pod of {self.owner or self.selector} in namespace {self.namespace}")
            open_to_drills = await opted_in(cluster, access, self.namespace, found)
        if not open_to_drills:
            raise FaultNotApplied(
                f"none of the {len(found)} pods of {self.owner or self.selector} is open to drills:"
                f" neither they nor namespace {self.namespace} carry {access.label_words}"
            )
        return {
            "reach": access.reach,
            "where": where,
            "pods": self._choose(open_to_drills, int(access.largest_share * len(found))),
            "ready_before": sum(map(is_ready, found)),
            "grace_period": self.grace_period,
            "ready_within": self.ready_within,
        }

    async def _selector_of_owner(self, cluster: KubernetesCluster) -> str:
        assert self.owner is not None  # noqa: S101 - one of the two is there
        where = workload.place(self.owner, self.namespace)
        there = await cluster.get(where)
        mark.require_free(there, where)
        return workload.selector(there)

    def _choose(self, pods: list[Object], at_most: int) -> tuple[Pod, ...]:
        """Choose among pods that something will replace; raises FaultNotApplied."""
        for pod in pods:
            if workload.controller_of(pod) is None:
                name = pod["metadata"]["name"]
                raise FaultNotApplied(
                    f"pod {name} of namespace {self.namespace} has no controller: nothing would replace it"
                )
        count = self.count or 1 if self.share is None else max(int(self.share * len(pods)), 1)
        if count > len(pods):
            raise FaultNotApplied(
                f"{count} pods of {self.owner or self.selector} in namespace {self.namespace}: there are {len(pods)}"
            )
        if count > max(at_most, 1):
            raise FaultNotApplied(
                f"{count} pods of {self.owner or self.selector} in namespace {self.namespace}"
                f" are more than kubernetes.largest_share of agent.yml allows: {max(at_most, 1)}"
            )
        # Not for secrets: a seed must make the same choice again.
        chosen = random.Random(self.seed).sample(pods, count)  # noqa: S311
        return tuple(Pod(name=one["metadata"]["name"], uid=one["metadata"]["uid"]) for one in chosen)


async def matching(cluster: KubernetesCluster, where: Where) -> list[Object]:
    """List the matching pods that have not ended and are not ending; raises ClusterError."""
    pods = await cluster.listed(place.pods(where.namespace), where.selector)
    alive = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"] and not _ended(pod)]
    if where.owner is None:
        return alive
    owner = await cluster.get(workload.place(where.owner, where.namespace))
    return [pod for pod in alive if workload.owns(where.owner, owner, pod)]


def is_ready(pod: Object) -> bool:
    """Return whether a pod is Ready."""
    return any(one["status"] == "True" for one in _ready_conditions(pod))


def _ended(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def _ready_conditions(pod: Object) -> list[Object]:
    return [one for one in (pod.get("status") or {}).get("conditions") or [] if one["type"] == "Ready"]


def _ready_since(pod: Object) -> float:
    return max(datetime.fromisoformat(one["lastTransitionTime"]).timestamp() for one in _ready_conditions(pod))
