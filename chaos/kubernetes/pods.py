"""The shared part of faults of pods: the choice of pods, and the wait until their workloads have again what they want."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, PrivateAttr, model_validator

from alertdrill.chaos.cluster_access import ClusterReach, Kubernetes, Name, Namespace, Selector
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.kubernetes import job, mark, place, workload
from alertdrill.chaos.kubernetes.cluster_fault import NamespaceFault
from alertdrill.chaos.kubernetes.connection import (
    breaking,
    longest_undo,
    opened,
    require_permissions,
    undoing,
    until,
)
from alertdrill.chaos.kubernetes.hit import Hit, Now, hits, is_alive, pods_of, ready_conditions
from alertdrill.chaos.kubernetes.opted_in import opted_in, part_of, require_listed, require_part
from alertdrill.chaos.kubernetes.own_pod import OwnPods
from alertdrill.chaos.kubernetes.place import Object, Place
from alertdrill.chaos.kubernetes.whole import removed_namespace
from alertdrill.chaos.kubernetes.workload import REPLACING, Owner
from alertdrill.units.duration import Duration
from alertdrill.units.extras import of_extra
from alertdrill.units.settings import Settings
from alertdrill.units.text import some_of

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster


class Pod(Settings):
    """One pod; a later pod with the same name has another uid."""

    name: Name
    uid: str

    @classmethod
    def of(cls, there: Object) -> Pod:
        """Note which pod an object is."""
        return cls(name=there["metadata"]["name"], uid=there["metadata"]["uid"])


class ChosenPods(Injection):
    """A fault of some pods of a namespace, with the fault's name."""

    name: str
    reach: ClusterReach
    namespace: Namespace
    pods: tuple[Pod, ...]

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"namespace {self.namespace}: pods {some_of([pod.name for pod in self.pods])}"

    @property
    def full_target(self) -> str:
        """The target with the names of all pods."""
        return f"namespace {self.namespace}: pods {', '.join(pod.name for pod in self.pods)}"

    def place(self, pod: Pod) -> Place:
        """Return the place of a pod."""
        return place.pods(self.namespace).named(pod.name)


class PodsInjection(ChosenPods):
    """The chosen pods, and the workloads that replace them."""

    # Only for the injection: an undo does not need them, and there may be thousands, so the ledger leaves them out.
    pods: tuple[Pod, ...] = Field(default=(), exclude=True)
    hits: tuple[Hit, ...]
    grace_period: Duration | None
    ready_within: Duration
    _hit_at: float | None = PrivateAttr(None)

    @property
    def by_hand(self) -> str:
        """The commands that remove the marks; the pods are for their workloads to replace."""
        return " && ".join(map(mark.removal, self._held()))

    @property
    def longest_undo(self) -> timedelta:
        """The time after which an undo counts as hung."""
        return longest_undo(self.ready_within)

    @property
    def grace_seconds(self) -> int | None:
        """The time for a pod to end, in whole seconds; None for the pod's own."""
        return None if self.grace_period is None else math.ceil(self.grace_period.total_seconds())

    async def undo(self) -> None:
        """Wait until the workloads have again what they want; raises FaultNotHealed when they do not in time.

        A roll-out that the fault did not begin may hang; after the time it is told, and not waited for any more.
        """
        with of_extra("kubernetes"):
            from alertdrill.chaos.kubernetes.follow import followed

        pods, chosen = place.pods(self.namespace), {hit.selector for hit in self.hits}
        async with (
            undoing(self.reach, self.name, self.ready_within) as cluster,
            followed(cluster, pods, chosen.pop() if len(chosen) == 1 else "") as there,
        ):
            now: list[Now] = []
            removed = ""

            async def missing() -> str:
                nonlocal removed
                found = await there.now()
                now[:] = [await hit.now(cluster, self.namespace, found) for hit in self.hits]
                left = "; ".join(one.missing for one in now if one.missing)
                # Also when nothing is missing: the pods of a namespace that is being removed may not have ended yet.
                removed = await removed_namespace(cluster, self.namespace)
                return f"namespace {self.namespace}: {left}" if left and not removed else ""

            try:
                await until(missing, self.ready_within.total_seconds())
            except FaultNotHealed:
                if not now or not all(one.is_theirs for one in now if one.missing):
                    raise
            self._outcome = removed or self._result(now)
            for where in self._held():
                await mark.release(cluster, where, self.name)

    def _result(self, now: Sequence[Now]) -> str:
        waiting = [f"a roll-out is not complete, and not the fault's: {one.missing}" for one in now if one.missing]
        told = [words for one in now for words in one.told]
        needed = sum(one.needed for one in now)
        if waiting or (told and not needed):
            return ", ".join([*waiting, *told])
        return ", ".join([self._all_ready([pod for one in now for pod in one.ready], needed), *told])

    def _all_ready(self, ready: Sequence[Object], needed: int) -> str:
        words = f"all {needed} pods Ready"
        if self._hit_at is None or not needed:
            return words
        # Kubernetes has times in whole seconds, by the clock of its own machine.
        seconds = max(max(_ready_since(pod) for pod in ready) - self._hit_at, 0.0)
        return f"{words}, after {math.ceil(seconds)} s"

    async def _begin(self, cluster: KubernetesCluster) -> None:
        """Mark the workloads that the role may patch, and note when the pods are hit; raises FaultNotApplied."""
        for where in self._held():
            if await cluster.may("patch", where):
                await mark.hold(cluster, where, mark.labels(self.name), {})
        self._hit_at = time.time()

    def _held(self) -> list[Place]:
        return [workload.place(owner, self.namespace) for owner in sorted({hit.owner for hit in self.hits})]


class PodsFault(NamespaceFault):
    """Some pods of a namespace: by labels or by owner; a count or a share; chosen at random or by a seed."""

    selector: Selector | None = None
    owner: Owner | None = None
    count: int | None = Field(default=None, ge=1)
    share: float | None = Field(default=None, gt=0, le=1)
    max: int | None = Field(default=None, ge=1)
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
        if self.max is not None and self.share is None:
            msg = "has max without share, expected the share that it bounds"
            raise ValueError(msg)
        return self

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"namespace {self.namespace}: pods of {self._of}"

    @property
    def _of(self) -> str:
        return self.owner or self.selector or ""

    async def _chosen(self, endpoints: Endpoints, entry_id: str, *needed: tuple[str, Place]) -> dict[str, Any]:
        """Choose the pods, after a check of all permissions; returns the fields of a PodsInjection.

        Raises FaultNotApplied.
        """
        access = opened(endpoints)
        require_listed(access, self.namespace)
        async with breaking(access.reach) as cluster:
            owner = [("get", workload.place(self.owner, self.namespace))] if self.owner else []
            own, pods = place.namespace(self.namespace), place.pods(self.namespace)
            await require_permissions(cluster, ("get", own), *owner, ("list", pods), *needed)
            there = await self._there(cluster)
            left = await self._left(cluster, endpoints, there)
            jobs = await self._jobs(cluster, left)
            for pod in left:
                self._require_replaced(pod, jobs)
            chosen = self._choose(access, left, len(there))
            self._require_retries(chosen, jobs)
            found_hits = await hits(cluster, self.namespace, chosen)
        return {
            "name": entry_id,
            "reach": access.reach,
            "pods": tuple(map(Pod.of, chosen)),
            "hits": found_hits,
            **self.model_dump(include={"namespace", "grace_period", "ready_within"}),
        }

    async def _there(self, cluster: KubernetesCluster) -> list[Object]:
        """List the living pods that match; raises FaultNotApplied when there is none, or when others hold the owner."""
        if self.owner is None:
            listed = await cluster.listed(place.pods(self.namespace), self.selector or "")
            there = [pod for pod in listed if is_alive(pod)]
        else:
            where = workload.place(self.owner, self.namespace)
            owner = await cluster.get(where)
            mark.require_free(owner, where)
            there = await pods_of(cluster, self.namespace, self.owner, owner)
        if not there:
            raise FaultNotApplied(f"there is no pod of {self._of} in namespace {self.namespace}")
        return there

    async def _left(self, cluster: KubernetesCluster, endpoints: Endpoints, there: list[Object]) -> list[Object]:
        """Keep the pods that are open to drills, without alertdrill's own; raises FaultNotApplied when none is left."""
        access = opened(endpoints)
        open_to_drills = await opted_in(cluster, access, self.namespace, there)
        if not open_to_drills:
            raise FaultNotApplied(
                f"none of the {len(there)} pods of {self._of} is open to drills:"
                f" neither they nor namespace {self.namespace} carry {access.label_words}"
            )
        own = await OwnPods.of(cluster, endpoints, self.namespace)
        if left := own.without(open_to_drills):
            return left
        raise FaultNotApplied(
            f"all pods of {self._of} in namespace {self.namespace} are alertdrill's own or its Toxiproxy's,"
            " which are never hit"
        )

    async def _jobs(self, cluster: KubernetesCluster, pods: list[Object]) -> dict[Owner, Object]:
        """Read the Jobs of pods, without the one that the fault names; raises FaultNotApplied and ClusterError."""
        owners = {owner for pod in pods if (owner := workload.owner_of(pod)) and owner.startswith("job/")}
        places = {owner: workload.place(owner, self.namespace) for owner in sorted(owners - {self.owner})}
        await require_permissions(cluster, *(("get", where) for where in places.values()))
        return {owner: await cluster.get(where) for owner, where in places.items()}

    def _require_replaced(self, pod: Object, jobs: dict[Owner, Object]) -> None:
        """Raise FaultNotApplied when nothing would replace a pod."""
        name, controller = pod["metadata"]["name"], workload.controller_of(pod)
        if controller is None:
            raise FaultNotApplied(
                f"pod {name} of namespace {self.namespace} has no controller: nothing would replace it"
            )
        if workload.owner_of(pod) is None:
            raise FaultNotApplied(
                f"pod {name} of namespace {self.namespace} belongs to {controller['kind']} {controller['name']},"
                f" which may not replace it: expected one of {', '.join(REPLACING)}"
            )
        self._require_retries([pod], jobs)

    def _require_retries(self, pods: list[Object], jobs: dict[Owner, Object]) -> None:
        """Raise FaultNotApplied when a Job would not replace all of its pods among these."""
        for owner, there in jobs.items():
            its_pods = [pod for pod in pods if workload.owner_of(pod) == owner]
            if problem := job.not_replaced(there, its_pods):
                raise FaultNotApplied(
                    f"{problem} in namespace {self.namespace}: nothing would replace its pods;"
                    f" to break it on purpose, name it by `owner: {owner}`"
                )

    def _choose(self, access: Kubernetes, pods: list[Object], there: int) -> list[Object]:
        """Choose among the pods that may be hit, of all that are there; raises FaultNotApplied."""
        count = self.count or 1 if self.share is None else part_of(self.share, len(pods))
        if self.max is not None:
            count = min(count, self.max)
        words = f"{self._of} in namespace {self.namespace}"
        if count > len(pods):
            raise FaultNotApplied(f"{count} pods of {words}: there are {len(pods)}")
        require_part(access, count, there, words)
        # Not for secrets: a seed must make the same choice again.
        return random.Random(self.seed).sample(pods, count)  # noqa: S311


def _ready_since(pod: Object) -> float:
    return max(datetime.fromisoformat(one["lastTransitionTime"]).timestamp() for one in ready_conditions(pod))
