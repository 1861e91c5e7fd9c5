"""The shared part of faults that make objects: they are created or changed, and at the end removed or changed back.

The ledger keeps the places and the uids of the objects, and nothing of what they hold: that may be secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Self

from pydantic import Field, PrivateAttr

from alertdrill.chaos.cluster_access import Namespace
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.kubernetes.cluster_fault import ClusterInjection
from alertdrill.chaos.kubernetes.connection import all_done, breaking, found, longest_undo, undoing, until
from alertdrill.chaos.kubernetes.field_value import FieldValue, unmet
from alertdrill.chaos.kubernetes.own_object import OwnObject, fields_of, waits_for
from alertdrill.chaos.kubernetes.place import ClusterError, Object
from alertdrill.units.duration import Duration
from alertdrill.units.polling import poll

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster

_LOOK_EVERY_SECONDS = 0.2


class ObjectsInjection(ClusterInjection):
    """The objects, in the order of their creation, and the uids of those that are there, by their keys.

    The field values that the objects must get are by kind.
    """

    name: str
    namespace: Namespace
    objects: tuple[OwnObject, ...]
    uids: dict[str, str] = Field(default_factory=dict)
    ready_when: dict[str, FieldValue] = Field(default_factory=dict)
    ready_within: Duration = timedelta(minutes=1)
    recovered_when: dict[str, FieldValue] = Field(default_factory=dict)
    gone_within: Duration
    # Only the process that injects the fault has these.
    _bodies: Sequence[Object] = PrivateAttr(())
    _shows: str = PrivateAttr("")
    _fields: dict[str, Object] = PrivateAttr(default_factory=dict)
    _removed: set[str] = PrivateAttr(default_factory=set)
    _recovered: set[str] = PrivateAttr(default_factory=set)

    def with_bodies(self, bodies: Sequence[Object], shows: str) -> Self:
        """Set what the objects hold, and the command that shows why the API server refuses them; not part of the data."""
        self._bodies, self._shows = bodies, shows
        return self

    @property
    def by_hand(self) -> str:
        """How a person undoes it."""
        made = [one for one in self.objects if one.changed_uid is None]
        deletes = [f"kubectl delete -n {self.namespace} {one.place.kind} {one.place.name}" for one in made]
        changed = [one.words for one in self.objects if one.changed_uid is not None]
        return "; ".join(deletes + ([f"restore {', '.join(changed)}"] if changed else []))

    @property
    def longest_undo(self) -> timedelta:
        """The time after which an undo counts as hung."""
        return longest_undo(len(self.objects) * self.gone_within)

    async def inject(self) -> None:
        """Create or change the objects, and wait until they are ready; raises FaultNotApplied."""
        async with breaking(self.reach) as cluster:
            objects = list(zip(self.objects, self._bodies, strict=True))
            await all_done(partial(self._put, cluster), objects, "objects were created or changed", at_once=1)
            await self._until_ready(cluster)

    async def _put(self, cluster: KubernetesCluster, object_and_body: tuple[OwnObject, Object]) -> None:
        one, body = object_and_body
        there = await one.put(cluster, body, self.name, self._shows)
        self.uids[one.key] = there["metadata"]["uid"]
        self._fields[one.key] = fields_of(there, self.name)
        self._record()

    async def _until_ready(self, cluster: KubernetesCluster) -> None:
        seconds, not_ready = self.ready_within.total_seconds(), partial(self._not_ready, cluster)
        if self.ready_when and (left := await poll(not_ready, seconds, _LOOK_EVERY_SECONDS)):
            raise FaultNotApplied(f"{left}, after {seconds:g} s")

    async def _not_ready(self, cluster: KubernetesCluster) -> str:
        for one in self.objects:
            if wanted := self.ready_when.get(one.kind):
                there = await found(cluster, one.place)
                if left := unmet(wanted, there or {}):
                    return f"{one.words} of namespace {self.namespace}: {left}"
        return ""

    async def lost(self, cluster: KubernetesCluster) -> str:
        """Return which object was removed, replaced or is not ready any more; empty while all are as they were made.

        What others set beside the fault's fields is not compared.
        """
        for one in self.objects:
            there = await found(cluster, one.place)
            fields = self._fields.get(one.key, {})
            if problem := one.lost(there, self.name, self.uids.get(one.key), fields):
                return problem
            if (wanted := self.ready_when.get(one.kind)) and (left := unmet(wanted, there or {})):
                return f"{one.words}: {left}"
        return ""

    async def undo(self) -> None:
        """Remove the fault's objects, the last one first, change others back, and read that back; raises FaultNotHealed."""
        told: dict[str, str] = {}
        problems: dict[str, str] = {}
        async with undoing(self.reach, self.name, self.gone_within) as cluster:
            for step in (self._take_back, self._until_gone):
                for one in reversed(self.objects):
                    if one.key in problems:
                        continue
                    try:
                        told[one.key] = await step(cluster, one) or told.get(one.key, "")
                    except (ClusterError, FaultNotHealed) as error:
                        problems[one.key] = str(error)
        if problems:
            raise FaultNotHealed("; ".join(problems.values()))
        self._outcome = self._result(told)

    async def _take_back(self, cluster: KubernetesCluster, one: OwnObject) -> str:
        await self._left(cluster, one)
        told = await one.take_back(cluster, self.name, self.uids.get(one.key))
        if not told:
            self._removed.add(one.key)
        return "" if one.key in self._removed else told

    async def _until_gone(self, cluster: KubernetesCluster, one: OwnObject) -> str:
        """Wait until an object is gone that the fault created; return that its recovery was not seen, in words."""
        if one.changed_uid is not None:
            return ""
        await until(partial(self._left, cluster, one), self.gone_within.total_seconds())
        recovery = self.recovered_when.get(one.kind)
        if not recovery or one.key in self._recovered or one.key not in self._removed:
            return ""
        return f"{one.words} removed, before {recovery} was seen"

    async def _left(self, cluster: KubernetesCluster, one: OwnObject) -> str:
        """Return what is still there of an object, and what it waits for; note when its recovery was seen."""
        there = await one.left(cluster, self.name, self.uids.get(one.key))
        if there is None:
            return ""
        recovery = self.recovered_when.get(one.kind)
        problem = unmet(recovery, there) if recovery else ""
        if not problem:
            self._recovered.add(one.key)
        reasons = " and ".join(filter(None, (waits_for(there), problem)))
        return f"{one.words} of namespace {self.namespace} is still there, waiting for {reasons},"

    def _result(self, told: dict[str, str]) -> str:
        done = [one for one in self.objects if not told[one.key]]
        removed = [one.words for one in done if one.changed_uid is None]
        changed = [one.words for one in done if one.changed_uid is not None]
        words = [f"{', '.join(removed)} removed"] if removed else []
        words += [f"{', '.join(changed)} changed back"] if changed else []
        return ", ".join(words + [told[one.key] for one in self.objects if told[one.key]])
