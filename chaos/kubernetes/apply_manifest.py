"""Objects are created, and removed at the end: a NetworkPolicy that blocks all traffic, a resource of Chaos Mesh.

kind: apply_manifest
namespace: shop
file: deny-all.yml                 # beside the drill file; one or more objects of that namespace
existing: refuse                   # or change: add fields to objects of others, and none that belong to others
ready_when: status.conditions[AllInjected]=True        # in force only then
ready_within: 1m
recovered_when: status.conditions[AllRecovered]=True   # told at the end
gone_within: 1m

The ledger keeps the places and the uids of the objects, and nothing of what they hold: a manifest may hold secrets.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.kubernetes import manifest, mark, place
from alertdrill.chaos.kubernetes.cluster_fault import NamespaceFault
from alertdrill.chaos.kubernetes.connection import (
    breaking,
    found,
    opened,
    require_permissions,
)
from alertdrill.chaos.kubernetes.field_value import FieldValue
from alertdrill.chaos.kubernetes.objects_injection import ObjectsInjection
from alertdrill.chaos.kubernetes.opted_in import require_namespace
from alertdrill.chaos.kubernetes.own_object import OwnObject
from alertdrill.chaos.kubernetes.place import ClusterError, Object, Place
from alertdrill.chaos.secret_source import PathBesideFile
from alertdrill.units.duration import Duration

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster


class ApplyManifestInjection(ObjectsInjection):
    """The objects of a manifest."""

    kind: Literal["apply_manifest"] = "apply_manifest"

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"namespace {self.namespace}: {', '.join(one.words for one in self.objects)}"


class ApplyManifest(NamespaceFault):
    """Create the objects of a manifest in one namespace."""

    kind: Literal["apply_manifest"] = "apply_manifest"
    file: PathBesideFile
    existing: Literal["refuse", "change"] = "refuse"
    ready_when: FieldValue | dict[str, FieldValue] | None = None
    ready_within: Duration = Field(default=timedelta(minutes=1), gt=timedelta(0))
    recovered_when: FieldValue | dict[str, FieldValue] | None = None
    gone_within: Duration = Field(default=timedelta(minutes=1), gt=timedelta(0))

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        kinds = {one["kind"] for one in manifest.read(self.file, self.namespace)}
        for key in ("ready_when", "recovered_when"):
            named = getattr(self, key)
            if isinstance(named, dict) and (others := named.keys() - kinds):
                msg = f"{key} has {', '.join(sorted(others))}, expected kinds of {self.file.name}: {', '.join(sorted(kinds))}"
                raise ValueError(msg)
        return self

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"namespace {self.namespace}: manifest {self.file.name}"

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> ApplyManifestInjection:
        """Find the places of the objects; raises FaultNotApplied when one may not be created or changed as it stands."""
        access = opened(endpoints)
        async with breaking(access.reach) as cluster:
            await require_permissions(cluster, ("get", place.namespace(self.namespace)))
            await require_namespace(cluster, access, self.namespace)
            bodies = self._bodies(entry_id)
            objects = [await self._object(cluster, body) for body in bodies]
            for one, body in zip(objects, bodies, strict=True):
                await one.require_accepted(cluster, body, entry_id, self._shows)
        kinds = {one.kind for one in objects}
        return ApplyManifestInjection(
            name=entry_id,
            reach=access.reach,
            objects=tuple(objects),
            ready_when=_by_kind(self.ready_when, kinds),
            recovered_when=_by_kind(self.recovered_when, kinds),
            **self.model_dump(include={"namespace", "ready_within", "gone_within"}),
        ).with_bodies(bodies, self._shows)

    @property
    def _shows(self) -> str:
        return f"kubectl apply --dry-run=server -n {self.namespace} -f {self.file}"

    async def _object(self, cluster: KubernetesCluster, body: Object) -> OwnObject:
        """Find the place of an object; raises FaultNotApplied when there is one that may not be changed."""
        where = await place_of(cluster, body, self.namespace)
        one = OwnObject(place=where, kind=body["kind"])
        making = [("delete", where), ("create", where.named(""))]
        await require_permissions(cluster, ("get", where), *(making if self.existing == "refuse" else ()))
        there = await found(cluster, where)
        if there is None:
            await require_permissions(cluster, *making)
            return one
        mark.require_free(there, where)
        if self.existing == "refuse":
            raise FaultNotApplied(one.exists_already)
        await require_permissions(cluster, ("patch", where))
        return one.model_copy(update={"changed_uid": there["metadata"]["uid"]})

    def _bodies(self, entry_id: str) -> list[Object]:
        try:
            objects = manifest.read(self.file, self.namespace)
        except ValueError as error:
            raise FaultNotApplied(str(error)) from error
        for one in objects:
            one["metadata"]["labels"] = (one["metadata"].get("labels") or {}) | mark.labels(entry_id)
        return objects


async def place_of(cluster: KubernetesCluster, body: Object, namespace: str) -> Place:
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


def _by_kind(written: FieldValue | dict[str, FieldValue] | None, kinds: set[str]) -> dict[str, FieldValue]:
    if isinstance(written, str):
        return dict.fromkeys(kinds, written)
    return written or {}
