"""Pods lose processor time or memory to a container that is added to them for a while.

kind: pressure
namespace: shop
owner: deployment/engine           # or selector: app=engine
count: 1                           # or share: 0.5
cpus: 2                            # kept busy
mebibytes: 512                     # taken
lasts: 5m
image: busybox:1.37                # a shell, date, timeout, head, tail and sleep
starts_within: 1m

An ephemeral container cannot be removed, so its command ends by itself, and the undo waits for that.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.kubernetes import mark, place
from alertdrill.chaos.kubernetes.cluster_fault import ClusterInjection
from alertdrill.chaos.kubernetes.connection import all_done, breaking, found, longest_undo, opened, undoing
from alertdrill.chaos.kubernetes.hit import is_ready
from alertdrill.chaos.kubernetes.place import Object, Place
from alertdrill.chaos.kubernetes.pods import ChosenPods, Pod, PodsFault
from alertdrill.units.duration import Duration
from alertdrill.units.polling import poll

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster

_RESOURCE = "ephemeralcontainers"
_PREFIX = "alertdrill-"
# Each look is a request for each pod, and the wait may be long.
_LOOK_EVERY_SECONDS = 1.0
# The container outlives the fault by so much: the drill must not see it end before its time.
_LONGER_SECONDS = 15
# How much the clock of a node may differ from that of this machine.
_CLOCKS_SECONDS = 60
_RESTRICTED: Object = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 65534,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def command(cpus: int, mebibytes: int, seconds: int, latest_start: int) -> list[str]:
    """Return what the container runs: it ends after some seconds, and at once when it starts after a time of Unix time."""
    busy = [f"timeout {seconds} sh -c 'while :; do :; done' &"] * cpus
    # tail keeps a line without an end in memory, until sleep has ended.
    taken = [f"head -c {mebibytes * 2**20} /dev/zero | tail | sleep {seconds} &"] if mebibytes else []
    on_time = f'[ "$(date +%s)" -le {latest_start} ] || exit 0'
    # The first process of a container ignores SIGTERM without this, and would delay the end of its pod.
    return ["sh", "-c", "\n".join([on_time, "trap 'exit 0' TERM", *busy, *taken, "wait", "exit 0"])]


class PressureInjection(ChosenPods, ClusterInjection):
    """The pods and the command; `latest_start` is in seconds of Unix time: a container that starts later ends at once.

    `ready` are the names of the pods that were Ready before.
    """

    kind: Literal["pressure"] = "pressure"
    ready: tuple[str, ...] = ()
    image: str
    cpus: int
    mebibytes: int
    lasts: Duration
    starts_within: Duration
    latest_start: int
    ready_within: Duration
    _notes: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def by_hand(self) -> str:
        """How a person undoes it."""
        names = " ".join(pod.name for pod in self.pods)
        return (
            f"the container {self.name} ends by itself; to end it now: kubectl delete pod -n {self.namespace} {names}"
        )

    @property
    def seconds(self) -> int:
        """How long the command runs."""
        return int(self.lasts.total_seconds()) + _LONGER_SECONDS

    @property
    def longest_undo(self) -> timedelta:
        """The time after which an undo counts as hung."""
        return longest_undo(self._undo_within)

    @property
    def _undo_within(self) -> timedelta:
        """The time in which every container has ended, wherever it is by now, and the pods are Ready."""
        ends_at = self.latest_start + _CLOCKS_SECONDS + self.seconds
        return timedelta(seconds=max(ends_at - time.time(), 0.0) + _LONGER_SECONDS) + self.ready_within

    def containers_of(self, pod: Pod) -> Place:
        """Return the place of the ephemeral containers of a pod."""
        return self.place(pod).of(_RESOURCE)

    async def inject(self) -> None:
        """Add the container to each pod, and wait until it runs; raises FaultNotApplied."""
        async with breaking(self.reach) as cluster:
            await all_done(partial(self.add, cluster), self.pods, "pods got the container")
            seconds = self.starts_within.total_seconds()
            if left := await poll(self._of_all(cluster, self._not_running), seconds, _LOOK_EVERY_SECONDS):
                raise FaultNotApplied(f"{left}, after {seconds:g} s")

    async def add(self, cluster: KubernetesCluster, pod: Pod) -> None:
        """Add the container to a pod; raises FaultNotApplied and ClusterError."""

        def added(there: Object) -> Object:
            return self.change(pod, there)

        await mark.patch_unchanged(cluster, self.containers_of(pod), added)

    def change(self, pod: Pod, there: Object) -> Object:
        """Return the change that adds the container to a pod, if it is not there yet; raises FaultNotApplied."""
        self._require_free(pod, there)
        if self._own(there) is not None:
            return {}
        before = there["spec"].get("ephemeralContainers") or []
        return {"spec": {"ephemeralContainers": [*before, self.container]}}

    def _require_free(self, pod: Pod, there: Object) -> None:
        if there["metadata"]["uid"] != pod.uid:
            raise FaultNotApplied(f"pod {pod.name} ended by itself before the fault")
        for one in _statuses(there):
            is_other = one["name"].startswith(_PREFIX) and one["name"] != self.name
            if is_other and "running" in (one.get("state") or {}):
                raise FaultNotApplied(f"pod {pod.name} is under the pressure of the fault {one['name']}")

    def _of_all(
        self, cluster: KubernetesCluster, problem: Callable[[KubernetesCluster, Pod], Awaitable[str]]
    ) -> Callable[[], Awaitable[str]]:
        async def of_all() -> str:
            return "; ".join(filter(None, [await problem(cluster, pod) for pod in self.pods]))

        return of_all

    async def _not_running(self, cluster: KubernetesCluster, pod: Pod) -> str:
        there = await self._there(cluster, pod)
        if there is None:
            raise FaultNotApplied(f"pod {pod.name} ended by itself before the fault")
        state = self._state(there)
        if "terminated" in state:
            raise FaultNotApplied(f"{_container_in(pod)} ended at once: {_reason(state)}")
        return "" if "running" in state else f"{_container_in(pod)} waits: {_reason(state)}"

    async def lost(self, cluster: KubernetesCluster) -> str:
        """Return which pod is not under pressure any more; empty while all are."""
        for pod in self.pods:
            there = await self._there(cluster, pod)
            if there is None:
                return f"pod {pod.name} is gone"
            if "running" not in (state := self._state(there)):
                return f"{_container_in(pod)} has ended: {_reason(state)}"
        return ""

    async def undo(self) -> None:
        """Wait until every container has ended and its pod is as Ready as before; raises FaultNotHealed."""
        self._notes.clear()
        async with undoing(self.reach, self.name, self._undo_within) as cluster:
            seconds = self._undo_within.total_seconds()
            if left := await poll(self._of_all(cluster, self._left), seconds, _LOOK_EVERY_SECONDS):
                raise FaultNotHealed(f"{left} after {seconds:g} s")
        ended = f"{len(self.pods)} containers have ended" if len(self.pods) > 1 else "the container has ended"
        self._outcome = ", ".join([ended, *self._notes.values()])

    async def _left(self, cluster: KubernetesCluster, pod: Pod) -> str:
        there = await self._there(cluster, pod)
        if there is None:
            self._notes[pod.name] = f"pod {pod.name} is gone"
            return ""
        if self._own(there) is not None and not self._has_ended(pod, there):
            return f"{_container_in(pod)} of namespace {self.namespace} has not ended"
        if pod.name in self.ready and not is_ready(there):
            return f"pod {pod.name} of namespace {self.namespace} is not Ready again"
        return ""

    def _has_ended(self, pod: Pod, there: Object) -> bool:
        state = self._state(there)
        if ended := state.get("terminated"):
            if ended.get("exitCode"):
                self._notes[pod.name] = f"{_container_in(pod)} ended early: {_reason(state)}"
            return True
        if "running" not in state and time.time() > self.latest_start + _CLOCKS_SECONDS:
            self._notes[pod.name] = f"{_container_in(pod)} never started, and would end at once"
            return True
        return False

    async def _there(self, cluster: KubernetesCluster, pod: Pod) -> Object | None:
        """Read a pod that has not ended; None when it has, or another one has its name."""
        there = await found(cluster, self.containers_of(pod))
        if there is None or there["metadata"]["uid"] != pod.uid:
            return None
        return None if (there.get("status") or {}).get("phase") in {"Succeeded", "Failed"} else there

    def _own(self, there: Object) -> Object | None:
        added = there["spec"].get("ephemeralContainers") or []
        return next((one for one in added if one["name"] == self.name), None)

    def _state(self, there: Object) -> Object:
        return next((one.get("state") or {} for one in _statuses(there) if one["name"] == self.name), {})

    @property
    def container(self) -> Object:
        """The container, as a pod has it; it may run where the policy `restricted` is enforced."""
        return {
            "name": self.name,
            "image": self.image,
            "command": command(self.cpus, self.mebibytes, self.seconds, self.latest_start),
            "securityContext": _RESTRICTED,
        }


class Pressure(PodsFault):
    """Add a container that takes processor time or memory to some pods of a namespace."""

    kind: Literal["pressure"] = "pressure"
    cpus: int = Field(default=0, ge=0, le=256)
    mebibytes: int = Field(default=0, ge=0)
    image: str = Field(default="busybox:1.37", min_length=1)
    starts_within: Duration = Field(default=timedelta(minutes=1), gt=timedelta(0))

    @model_validator(mode="after")
    def _ends_by_itself(self) -> Self:
        if not isinstance(self.lasts, timedelta):
            msg = "cannot end when the alerts fired, because its container cannot be removed: expected a duration for lasts"
            raise ValueError(msg)  # noqa: TRY004 - pydantic collects ValueErrors
        if not self.cpus and not self.mebibytes:
            msg = "takes nothing, expected cpus or mebibytes"
            raise ValueError(msg)
        if self.grace_period is not None:
            msg = "ends no pod, expected no grace_period"
            raise ValueError(msg)
        return self

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> PressureInjection:
        """Choose the pods; raises FaultNotApplied, also when the API server would not add the container."""
        containers = place.pods(self.namespace).of(_RESOURCE)
        chosen = await self._chosen(endpoints, entry_id, ("get", containers), ("patch", containers))
        injection = PressureInjection(
            name=entry_id,
            reach=chosen["reach"],
            pods=chosen["pods"],
            latest_start=int(time.time() + self.starts_within.total_seconds()) + _LONGER_SECONDS,
            **self.model_dump(
                include={"namespace", "image", "cpus", "mebibytes", "lasts", "starts_within", "ready_within"}
            ),
        )
        async with breaking(opened(endpoints).reach) as cluster:
            resources = {one["name"] for one in await cluster.resources("v1")}
            if f"pods/{_RESOURCE}" not in resources:
                raise FaultNotApplied("the API server has no ephemeral containers, expected Kubernetes 1.25 or newer")
            ready = []
            for pod in injection.pods:
                there = await cluster.get(injection.containers_of(pod))
                await cluster.patch(injection.containers_of(pod), injection.change(pod, there), dry_run=True)
                ready += [pod.name] if is_ready(there) else []
        return injection.model_copy(update={"ready": tuple(ready)})


def _container_in(pod: Pod) -> str:
    return f"the container of the fault in pod {pod.name}"


def _statuses(there: Object) -> list[Object]:
    found: list[Object] = (there.get("status") or {}).get("ephemeralContainerStatuses") or []
    return found


def _reason(state: Object) -> str:
    """Return why a container waits or has ended, as far as its node says so."""
    told = state.get("waiting") or state.get("terminated") or {}
    reason = str(told.get("reason") or "its node has not said why")
    return f"{reason} (exit code {told['exitCode']})" if "exitCode" in told else reason
