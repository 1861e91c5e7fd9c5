"""Objects are created, and removed at the end: a NetworkPolicy that blocks all traffic, a resource of Chaos Mesh.

kind: apply_manifest
namespace: shop
file: deny-all.yml                 # beside the drill file; one or more objects of that namespace
gone_within: 1m

Existing objects are never overwritten. The new ones carry the fault's name, and nothing else is removed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from alertdrill.chaos.cluster_access import Namespace
from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.kubernetes import manifest, mark, place
from alertdrill.chaos.kubernetes.cluster_fault import ClusterFault, ClusterInjection
from alertdrill.chaos.kubernetes.connection import (
    REQUESTS,
    breaking,
    found,
    opened,
    require_permissions,
    undoing,
    until,
)
from alertdrill.chaos.kubernetes.opted_in import require_namespace
from alertdrill.chaos.kubernetes.place import ClusterError, Object, Place
from alertdrill.chaos.secret_source import PathBesideFile
from alertdrill.units.duration import Duration
from alertdrill.units.settings import Settings

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster


class NewObject(Settings):
    """One object to create, and its place."""

    place: Place
    body: dict[str, Any]

    @property
    def words(self) -> str:
        """The object, in words."""
        return f"{self.body['kind']} {self.place.name}"


class ApplyManifestInjection(ClusterInjection):
    """The objects, in the order of their creation."""

    kind: Literal["apply_manifest"] = "apply_manifest"
    name: str
    namespace: Namespace
    objects: tuple[NewObject, ...]
    gone_within: Duration
    # The uid of each object, known only to the process that created it.
    _uids: list[str] = PrivateAttr(default_factory=list)

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"namespace {self.namespace}: {', '.join(one.words for one in self.objects)}"

    @property
    def longest_undo(self) -> timedelta:
        """The time after which an undo counts as hung."""
        return REQUESTS + len(self.objects) * self.gone_within

    async def inject(self) -> None:
        """Create the objects; raises FaultNotApplied, also when one exists already."""
        async with breaking(self.reach) as cluster:
            for one in self.objects:
                where = one.place.model_copy(update={"name": ""})
                try:
                    created = await cluster.create(where, one.body)
                except ClusterError as error:
                    if error.status == 409:
                        raise FaultNotApplied(_exists_already(one, self.namespace)) from error
                    raise
                self._uids.append(created["metadata"]["uid"])

    async def lost(self, cluster: KubernetesCluster) -> str:
        """Return which object was removed or replaced; empty while all are there. Their contents are not compared."""
        for one, uid in zip(self.objects, self._uids, strict=False):
            there = (await found(cluster, one.place) or {}).get("metadata", {})
            if there.get("uid") != uid:
                return f"{one.words} was {'replaced by another one' if there else 'removed'}"
            if "deletionTimestamp" in there:
                return f"{one.words} is being removed"
        return ""

    async def undo(self) -> None:
        """Remove the fault's objects, the last one first, and wait until they are gone; raises FaultNotHealed."""
        async with undoing(self.reach) as cluster:
            for one in reversed(self.objects):
                there = await self._own_object(cluster, one)
                if there is not None:
                    await self._remove(cluster, one, there)
            for one in self.objects:
                await self._until_gone(cluster, one)
        self._outcome = f"{', '.join(one.words for one in self.objects)} removed"

    async def _remove(self, cluster: KubernetesCluster, one: NewObject, there: Object) -> None:
        try:
            await cluster.delete(one.place, there["metadata"]["uid"])
        except ClusterError as error:
            if error.status not in {404, 409}:
                raise

    async def _until_gone(self, cluster: KubernetesCluster, one: NewObject) -> None:
        async def left() -> str:
            there = await self._own_object(cluster, one)
            if there is None:
                return ""
            waits_for = ", ".join(there["metadata"].get("finalizers") or []) or "its removal"
            return f"{one.words} of namespace {self.namespace} is still there, waiting for {waits_for},"

        await until(left, self.gone_within.total_seconds())

    async def _own_object(self, cluster: KubernetesCluster, one: NewObject) -> Object | None:
        there = await found(cluster, one.place)
        labels = (there or {}).get("metadata", {}).get("labels") or {}
        return there if labels.get(mark.FAULT) == self.name else None


class ApplyManifest(ClusterFault):
    """Create the objects of a manifest in one namespace."""

    kind: Literal["apply_manifest"] = "apply_manifest"
    namespace: Namespace
    file: PathBesideFile
    gone_within: Duration = Field(default=timedelta(minutes=1), gt=timedelta(0))

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        manifest.read(self.file, self.namespace)
        return self

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"namespace {self.namespace}: manifest {self.file.name}"

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> ApplyManifestInjection:
        """Find the places of the objects; raises FaultNotApplied when one exists already or may not be created."""
        access = opened(endpoints)
        async with breaking(access.reach) as cluster:
            await require_permissions(cluster, ("get", place.namespace(self.namespace)))
            await require_namespace(cluster, access, self.namespace)
            bodies = self._bodies(entry_id)
            objects = [NewObject(place=await _place(cluster, body, self.namespace), body=body) for body in bodies]
            needed = [(verb, one.place) for one in objects for verb in ("get", "delete")]
            made = [("create", one.place.named("")) for one in objects]
            await require_permissions(cluster, *needed, *made)
            for one in objects:
                if (there := await found(cluster, one.place)) is not None:
                    mark.require_free(there, one.place)
                    raise FaultNotApplied(_exists_already(one, self.namespace))
        return ApplyManifestInjection(
            name=entry_id,
            reach=access.reach,
            objects=tuple(objects),
            **self.model_dump(include={"namespace", "gone_within"}),
        )

    def _bodies(self, entry_id: str) -> list[Object]:
        try:
            objects = manifest.read(self.file, self.namespace)
        except ValueError as error:
            raise FaultNotApplied(str(error)) from error
        for one in objects:
            one["metadata"]["labels"] = (one["metadata"].get("labels") or {}) | mark.labels(entry_id)
        return objects


async def _place(cluster: KubernetesCluster, body: Object, namespace: str) -> Place:
    """Find the resource of a kind on the API server; raises FaultNotApplied when it has none."""
    api, kind = body["apiVersion"], body["kind"]
    try:
        resources = await cluster.resources(api)
    except ClusterError as error:
        if error.status != 404:
            raise
        resources = []
    for one in resources:
        if one["kind"] == kind and "/" not in one["name"]:
            if not one["namespaced"]:
                raise FaultNotApplied(
                    f"{kind} belongs to the whole cluster, expected a kind that belongs to a namespace"
                )
            return Place(api=api, resource=one["name"], namespace=namespace, name=body["metadata"]["name"])
    raise FaultNotApplied(f"the cluster has no {kind} in {api}: is its operator installed?")


def _exists_already(one: NewObject, namespace: str) -> str:
    return f"{one.words} exists in namespace {namespace} already, and is left as it is"
