"""One object that a fault creates and removes again, or changes and changes back.

A created object is known by its uid, whatever others do to its labels. Where no uid was recorded, because the process died
before, the fault's name tells: in the label, or in the notes of the API server on who set the object's fields.
A change is a server-side apply under the fault's name: the API server refuses it where a field belongs to others, and
knows which fields to remove.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import model_validator

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.kubernetes import mark
from alertdrill.chaos.kubernetes.connection import found
from alertdrill.chaos.kubernetes.place import ClusterError, Object, Place
from alertdrill.units.settings import Settings

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster

_CHILDREN = "foregroundDeletion"


class OwnObject(Settings):
    """An object and its place; `changed_uid` is the uid of one that others made and the fault only changes."""

    place: Place
    kind: str
    changed_uid: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_body(cls, values: Any) -> Any:  # noqa: ANN401 - parsed JSON
        """Read also what older versions wrote, which kept the whole object."""
        if not isinstance(values, dict) or not isinstance(values.get("body"), dict):
            return values
        return {"place": values.get("place"), "kind": values["body"].get("kind")}

    @property
    def words(self) -> str:
        """The object, in words."""
        return f"{self.kind} {self.place.name}"

    @property
    def key(self) -> str:
        """What tells it from all others, also from one of the same words in another API."""
        return self.place.path

    def is_own(self, there: Object, name: str, uid: str | None) -> bool:
        """Return whether the fault of that name created what is there; `uid` is None if none was recorded."""
        if uid is not None:
            return bool(there["metadata"]["uid"] == uid)
        labels = there["metadata"].get("labels") or {}
        return labels.get(mark.FAULT) == name or bool(fields_of(there, name))

    async def require_accepted(self, cluster: KubernetesCluster, body: Object, name: str, shows: str) -> None:
        """Let the API server check the object, and change nothing; raises FaultNotApplied and ClusterError."""
        await self._sent(cluster, body, name, shows, dry_run=True)

    async def put(self, cluster: KubernetesCluster, body: Object, name: str, shows: str) -> Object:
        """Create or change the object under the fault's name; raises FaultNotApplied and ClusterError.

        `shows` is how a person gets the whole reason of a refusal, which is not repeated, because it may hold secrets; it is
        empty for an object without any.
        """
        return await self._sent(cluster, body, name, shows, dry_run=False)

    async def _sent(self, cluster: KubernetesCluster, body: Object, name: str, shows: str, *, dry_run: bool) -> Object:
        try:
            if self.changed_uid is None:
                return await cluster.create(self.place.named(""), body, name, dry_run=dry_run)
            known = body["metadata"] | {"uid": self.changed_uid}
            return await cluster.apply(self.place, body | {"metadata": known}, name, dry_run=dry_run)
        except ClusterError as error:
            if not self._may_repeat(error, shows):
                raise
            raise FaultNotApplied(self._refusal(error, shows)) from None

    def _may_repeat(self, error: ClusterError, shows: str) -> bool:
        """Return whether a refusal is about the object itself, so that its text may repeat what the object holds."""
        is_of_the_role = str(error).startswith("not permitted to")
        return error.status in {400, 403, 409, 413, 422} and not is_of_the_role and (bool(shows) or error.status == 409)

    def _refusal(self, error: ClusterError, shows: str) -> str:
        if error.status != 409:
            reason = f"its reason may repeat what the manifest holds, and is not shown here: {shows} shows it"
            return f"the API server refuses {self.words} of namespace {self.place.namespace} ({error.status}); {reason}"
        if self.changed_uid is None:
            return self.exists_already
        # Such a text has the fields and their owners, and no values.
        said = " ".join(str(error).partition(": 409 ")[2].split())
        of_others = "has fields that belong to others" if "conflict" in said else "was changed or removed meanwhile"
        return f"{self.words} of namespace {self.place.namespace} {of_others}: {said}"

    @property
    def exists_already(self) -> str:
        """That others made such an object, in words."""
        return f"{self.words} exists in namespace {self.place.namespace} already, and is left as it is"

    def lost(self, there: Object | None, name: str, uid: str | None, fields: Object) -> str:
        """Return why what is there is not what the fault made; `fields` are those that it set when it did."""
        if there is None:
            return f"{self.words} was removed"
        if uid is not None and there["metadata"]["uid"] != uid:
            return f"{self.words} was replaced by another one"
        if "deletionTimestamp" in there["metadata"]:
            return f"{self.words} is being removed"
        if self.changed_uid is not None and fields_of(there, name) != fields:
            return f"{self.words} was changed by others, who have taken fields of the fault"
        return ""

    async def take_back(self, cluster: KubernetesCluster, name: str, uid: str | None) -> str:
        """Begin to remove what the fault created, or change it back; return what others did, in words.

        Raises FaultNotHealed and ClusterError.
        """
        there = await found(cluster, self.place)
        if there is None:
            return f"{self.words} was gone already"
        if self.changed_uid is not None:
            return await self._change_back(cluster, there, name)
        if not self.is_own(there, name, uid):
            return self._of_others(name, uid)
        try:
            await cluster.delete(self.place, there["metadata"]["uid"], children_first=True)
        except ClusterError as error:
            if error.status not in {404, 409}:
                raise
        return ""

    def _of_others(self, name: str, uid: str | None) -> str:
        if uid is not None:
            return f"{self.words} was replaced by another one, which stays"
        return (
            f"{self.words} stays, because nothing shows that the fault made it: the ledger has no uid of it, and neither"
            f" its labels nor its managed fields name {name}"
        )

    async def left(self, cluster: KubernetesCluster, name: str, uid: str | None) -> Object | None:
        """Return what is still there of an object that the fault created; None when it is gone. Raises ClusterError."""
        there = await found(cluster, self.place)
        return there if there is not None and self.is_own(there, name, uid) else None

    async def _change_back(self, cluster: KubernetesCluster, there: Object, name: str) -> str:
        if there["metadata"]["uid"] != self.changed_uid:
            return f"{self.words} was replaced by another one, which stays"
        if not fields_of(there, name):
            return ""
        metadata = {"name": self.place.name, "namespace": self.place.namespace, "uid": self.changed_uid}
        empty = {"apiVersion": self.place.api, "kind": self.kind, "metadata": metadata}
        try:
            now = await cluster.apply(self.place, empty, name)
        except ClusterError as error:
            if error.status is None or error.status not in {400, 409, 422}:
                raise
            raise FaultNotHealed(
                f"{self.words} of namespace {self.place.namespace} cannot be changed back ({error.status}): the API server"
                f" would not accept it without the fields of {name} (kubectl get --show-managed-fields lists them)"
            ) from None
        if fields_of(now, name):
            raise FaultNotHealed(f"{self.words} of namespace {self.place.namespace} still has fields of {name}")
        return ""


def fields_of(there: Object, name: str) -> Object:
    """Return the fields of an object that a fault set, as the API server notes them; pure."""
    notes = there["metadata"].get("managedFields") or []
    return next((one.get("fieldsV1") or {} for one in notes if one.get("manager") == name), {})


def waits_for(there: Object) -> str:
    """Return what an object that is being removed waits for, in words; pure."""
    finalizers = there["metadata"].get("finalizers") or []
    others = [one for one in finalizers if one != _CHILDREN]
    return ", ".join(others) or ("the removal of what it owns" if finalizers else "its removal")
