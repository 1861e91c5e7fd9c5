"""A workload rolls out an image that cannot be pulled, and its own image again at the end.

kind: rollout_bad_image
namespace: shop
workload: deployment/engine        # or statefulset/engine, or daemonset/engine
container: engine                  # the first unless named
repository: registry.shop/none     # the image's; a registry that does not exist unless named
complete_within: 5m

If somebody sets another image meanwhile, that one stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, PrivateAttr

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.kubernetes import mark, place, workload
from alertdrill.chaos.kubernetes.cluster_fault import ClusterInjection, RolloutInjection, WorkloadFault
from alertdrill.chaos.kubernetes.connection import (
    breaking,
    found,
    opened,
    require_permissions,
    undoing,
    until,
)
from alertdrill.chaos.kubernetes.hit import is_ready, pods_of
from alertdrill.chaos.kubernetes.opted_in import open_workload, require_listed
from alertdrill.chaos.kubernetes.place import ClusterError, Object, Place
from alertdrill.chaos.kubernetes.whole import Before, until_whole
from alertdrill.chaos.kubernetes.workload import Rolling
from alertdrill.units.duration import Duration

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster

# No registry has a name under .invalid (RFC 2606).
_NOWHERE = "alertdrill.invalid/no-such-image"


class RolloutBadImageInjection(RolloutInjection, ClusterInjection):
    """The workload, and the image of its container before the fault and under it; the latter has the fault's name."""

    kind: Literal["rollout_bad_image"] = "rollout_bad_image"
    workload: Rolling
    container: str
    image_before: str
    image: str
    # As `resolve` found them; only the process that injects the fault has them.
    _containers: Sequence[Object] = PrivateAttr(())

    def with_containers(self, containers: Sequence[Object]) -> Self:
        """Set the containers of the template, which may hold secrets; not part of the data."""
        self._containers = containers
        return self

    @property
    def by_hand(self) -> str:
        """How a person undoes it."""
        return f"kubectl set image -n {self.namespace} {self.workload} {self.container}={self.image_before}"

    async def inject(self) -> None:
        """Mark the workload, and set the image; raises FaultNotApplied, also when its containers changed meanwhile."""
        change = _with_image(self._containers, self.container, self.image)

        def require_same(there: Object) -> None:
            # After an answer that was lost they are those of the fault.
            if _containers(there) not in (self._containers, _set(self._containers, self.container, self.image)):
                raise FaultNotApplied(f"{self.workload} of namespace {self.namespace} was changed at the last moment")

        async with breaking(self.reach) as cluster:
            await mark.hold(cluster, self.place, mark.labels(self.name), change, require_same)

    async def lost(self, cluster: KubernetesCluster) -> str:
        """Return why the workload does not roll out the fault's image any more; empty while it does."""
        there = await found(cluster, self.place)
        if there is None or self.before.is_gone(there):
            return f"{self.workload} was removed"
        image = _image(_containers(there), self.container)
        return f"somebody set the image {image} of {self.workload}" if image != self.image else ""

    async def undo(self) -> None:
        """Set the image before, if the fault's is still there, and wait until it is rolled out; raises FaultNotHealed."""
        async with undoing(self.reach, self.name, self.complete_within) as cluster:
            theirs = await self._restore(cluster)
            seconds = self.complete_within.total_seconds()
            if self.workload.startswith("statefulset/"):
                await until(lambda: self._stuck(cluster), seconds)
            now, told = await until_whole(cluster, self.namespace, self.before, self._missing, seconds)
            if now is not None and not theirs:
                told = [f"rolled out {self.image_before} again", *told]
            self._outcome = ", ".join([*theirs, *told])
            await mark.release(cluster, self.place, self.name)

    async def _restore(self, cluster: KubernetesCluster) -> list[str]:
        """Set the image before; return what others did to it meanwhile, in words."""
        theirs: list[str] = []

        def restored(there: Object) -> Object:
            image = _image(_containers(there), self.container)
            theirs[:] = []
            if self.before.is_gone(there) or image == self.image_before:
                return {}
            if image != self.image:
                theirs[:] = [f"left at the image {image} that somebody set meanwhile"]
                return {}
            return _with_image(_containers(there), self.container, self.image_before)

        try:
            await mark.patch_unchanged(cluster, self.place, restored)
        except ClusterError as error:
            if error.status != 404:
                raise
        return theirs

    async def _stuck(self, cluster: KubernetesCluster) -> str:
        """Delete the pods of a StatefulSet with the fault's image: its controller would wait for them for ever.

        Return what is left to do before its controller goes on, in words.
        """
        there = await found(cluster, self.place)
        if there is None or self.before.is_gone(there):
            return ""
        name = f"namespace {self.namespace}, {self.workload}"
        if (there.get("status") or {}).get("observedGeneration", 0) < there["metadata"]["generation"]:
            return f"{name}: its controller has not seen it yet"
        stuck = [pod for pod in await pods_of(cluster, self.namespace, self.workload, there) if self._is_stuck(pod)]
        for pod in stuck:
            try:
                where = place.pods(self.namespace).named(pod["metadata"]["name"])
                await cluster.delete(where, pod["metadata"]["uid"])
            except ClusterError as error:
                if error.status not in {404, 409}:
                    raise
        return f"{name}: {len(stuck)} pods have the fault's image" if stuck else ""

    def _is_stuck(self, pod: Object) -> bool:
        return not is_ready(pod) and _image(pod["spec"]["containers"], self.container) == self.image


class RolloutBadImage(WorkloadFault):
    """Let a Deployment, a StatefulSet or a DaemonSet roll out an image that cannot be pulled."""

    kind: Literal["rollout_bad_image"] = "rollout_bad_image"
    workload: Rolling
    container: str | None = None
    repository: str = Field(default=_NOWHERE, pattern=r"^[a-z0-9][a-z0-9._:/-]*[a-z0-9]$")
    complete_within: Duration = Field(default=timedelta(minutes=5), gt=timedelta(0))

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> RolloutBadImageInjection:
        """Find the workload; raises FaultNotApplied, also when it would not roll out, or is doing so already."""
        access = opened(endpoints)
        require_listed(access, self.namespace)
        where, own = workload.place(self.workload, self.namespace), place.namespace(self.namespace)
        async with breaking(access.reach) as cluster:
            await require_permissions(cluster, ("get", own), ("get", where), ("patch", where), *self._for_stuck_pods())
            now = await open_workload(cluster, endpoints, self.workload, self.namespace)
        self._require_rolling(now)
        container = self._container(now)
        return RolloutBadImageInjection(
            name=entry_id,
            reach=access.reach,
            before=Before.of(self.workload, now),
            container=container,
            image_before=_image(_containers(now), container),
            image=f"{self.repository}:{entry_id}",
            **self.model_dump(include={"namespace", "workload", "complete_within"}),
        ).with_containers(_containers(now))

    def _for_stuck_pods(self) -> list[tuple[str, Place]]:
        pods = place.pods(self.namespace)
        return [("list", pods), ("delete", pods)] if self.workload.startswith("statefulset/") else []

    def _require_rolling(self, now: Object) -> None:
        name = f"{self.workload} of namespace {self.namespace}"
        if kept := workload.keeps_template(now):
            raise FaultNotApplied(f"{name} {kept}")
        if not workload.wanted(now):
            raise FaultNotApplied(f"{name} has no replicas: nothing would roll out")
        if missing_part := workload.missing_part(now):
            raise FaultNotApplied(f"{name} is not complete: {missing_part}")

    def _container(self, now: Object) -> str:
        names: list[str] = [one["name"] for one in _containers(now)]
        if self.container is not None and self.container not in names:
            raise FaultNotApplied(
                f"{self.workload} of namespace {self.namespace} has no container {self.container},"
                f" expected one of {', '.join(names)}"
            )
        return self.container or names[0]


def _containers(there: Object) -> list[Object]:
    found: list[Object] = there["spec"]["template"]["spec"]["containers"]
    return found


def _image(containers: Sequence[Object], name: str) -> str:
    return next((str(one.get("image", "")) for one in containers if one["name"] == name), "")


def _set(containers: Sequence[Object], name: str, image: str) -> list[Object]:
    return [one | {"image": image} if one["name"] == name else one for one in containers]


def _with_image(containers: Sequence[Object], name: str, image: str) -> Object:
    """Return the change that sets an image; a list is always set as a whole."""
    return {"spec": {"template": {"spec": {"containers": _set(containers, name, image)}}}}
