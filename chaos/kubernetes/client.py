"""The objects of a cluster: each request is sent again while its error may pass, and only so many are under way at once.

Nothing is done twice. A delete has a uid, and a create after one whose answer was lost finds the object of that one.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from alertdrill.chaos.cluster_access import PROTECTED, ClusterReach
from alertdrill.chaos.kubernetes.patience import MOST_AT_ONCE, Patience
from alertdrill.chaos.kubernetes.place import ClusterError, Object, Place
from alertdrill.chaos.kubernetes.transport import SERVICE_ACCOUNT, WATCH_SECONDS, ClusterRequest, Transport

_PAGE = 500
MOST_OBJECTS = 100_000
"""More of them are a flood, and not the answer of an API server."""
# An API server that has just started refuses what it permits, until it has read its roles.
_STARTING_SECONDS = 10.0
_REVIEW = Place(api="authorization.k8s.io/v1", resource="selfsubjectaccessreviews")


class KubernetesCluster:
    """An API server; its errors are waited through for a few seconds, or until `until` by the loop's clock."""

    def __init__(self, transport: Transport, until: float) -> None:
        self._transport = transport
        self._until = until
        self._away_at = -math.inf
        # The time limit of a request begins when it is sent, not while it waits for its turn.
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)

    async def get(self, place: Place) -> Object:
        """Read an object; raises ClusterError (404: there is none)."""
        return await self._call(ClusterRequest("get", place))

    async def listed(self, place: Place, selector: str = "") -> list[Object]:
        """List the objects that carry some labels, in the order of their names; raises ClusterError."""
        found, _ = await self.listed_at(place, selector)
        return sorted(found, key=lambda one: str(one["metadata"]["name"]))

    async def listed_at(self, place: Place, selector: str = "") -> tuple[list[Object], str]:
        """List objects without an order, with the version at which a watch goes on; raises ClusterError."""
        try:
            return await self._pages(place, selector, _PAGE)
        except ClusterError as error:
            if error.status != 410:
                raise
            # The list became too old between two pages.
            return await self._pages(place, selector, 0)

    async def _pages(self, place: Place, selector: str, size: int) -> tuple[list[Object], str]:
        found: list[Object] = []
        query = [("limit", str(size))] + ([("labelSelector", selector)] if selector else [])
        rest = ""
        for _ in range(MOST_OBJECTS // _PAGE):
            going_on = [("continue", rest)] if rest else []
            answer = await self._call(ClusterRequest("list", place, query=(*query, *going_on)))
            found += map(without_managers, answer["items"])
            rest = str(answer["metadata"].get("continue") or "")
            if not rest:
                return found, str(answer["metadata"].get("resourceVersion") or "")
        raise ClusterError(f"list {place.words}: there are more than {MOST_OBJECTS:,} of them")

    @asynccontextmanager
    async def watched(self, place: Place, selector: str, version: str) -> AsyncIterator[AsyncIterator[Object]]:
        """Yield the changes since a version for some seconds; raises ClusterError (410: the version is too old).

        Nothing is tried again here: the caller goes on from the last version that it saw.
        """
        query = (
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", str(WATCH_SECONDS)),
            ("resourceVersion", version),
            *([("labelSelector", selector)] if selector else []),
        )
        before = self._transport.renewals
        try:
            async with self._transport.stream(ClusterRequest("watch", place, query=query)) as events:
                yield events
        except ClusterError as error:
            self._may_pass(error)
            await self._renew_rejected(error, before)
            raise

    async def resources(self, api: str) -> list[Object]:
        """List the resources of an API (`apps/v1`); raises ClusterError (404: there is no such API)."""
        answer = await self._call(ClusterRequest("get", Place(api=api, resource="")))
        found: list[Object] = answer["resources"]
        return found

    async def create(self, place: Place, body: Object, manager: str = "", *, dry_run: bool = False) -> Object:
        """Create an object, or call a subresource such as `eviction`; raises ClusterError (409: it exists already).

        `manager` is the name under which the API server notes who set the object's fields. A dry run only checks.
        """
        try:
            return await self._write(ClusterRequest("create", place, body, _options(manager, dry_run=dry_run)))
        except ClusterError as error:
            if error.status != 409 or not error.was_unsure or place.subresource:
                raise
            there = await self.get(place.named(body["metadata"]["name"]))
            if not _labels(body).items() <= _labels(there).items():
                raise error from None
            return there

    async def patch(self, place: Place, change: Object, *, dry_run: bool = False) -> Object:
        """Change some fields of an object (RFC 7386: null removes one); raises ClusterError. A dry run only checks."""
        return await self._write(ClusterRequest("patch", place, change, _options(dry_run=dry_run)))

    async def apply(self, place: Place, body: Object, manager: str, *, dry_run: bool = False) -> Object:
        """Set the fields that a manager wants, and remove those that it no longer names (server-side apply).

        Raises ClusterError (409: others own a field, or the object of that uid is gone). A dry run only checks.
        """
        return await self._write(ClusterRequest("apply", place, body, _options(manager, dry_run=dry_run)))

    async def delete(
        self, place: Place, uid: str, grace_seconds: int | None = None, *, children_first: bool = False
    ) -> None:
        """Delete exactly the object of that uid; raises ClusterError (404: gone, 409: another one has its name).

        With `children_first` the object is there until everything that it owns is gone.
        """
        policy = "Foreground" if children_first else "Background"
        options: Object = {"preconditions": {"uid": uid}, "propagationPolicy": policy}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            await self._write(ClusterRequest("delete", place, options))
        except ClusterError as error:
            # It is gone because of an earlier delete whose answer was lost.
            if error.status not in {404, 409} or not error.was_unsure:
                raise

    async def may(self, verb: str, place: Place) -> bool:
        """Return whether alertdrill may do something; every user may ask that. Raises ClusterError."""
        what = {"verb": verb, "group": place.group, "resource": place.resource, "subresource": place.subresource}
        where = {"namespace": place.namespace or "", "name": place.name}
        spec = {"resourceAttributes": what | where}
        answer = await self._call(ClusterRequest("create", _REVIEW, {"spec": spec}))
        return bool(answer["status"]["allowed"])

    async def _write(self, request: ClusterRequest) -> Object:
        # The last barrier: no caller may change the namespaces of Kubernetes itself.
        if request.place.namespace in PROTECTED:
            raise ClusterError(f"{request.place.words} belongs to Kubernetes and is never touched")
        return await self._call(request)

    async def _call(self, request: ClusterRequest) -> Object:
        """Send a request, and again while its error may pass."""
        clock, patience, was_unsure = asyncio.get_running_loop().time, Patience(self._until), False
        async with self._slots:
            while True:
                before = self._transport.renewals
                try:
                    return await self._transport.send(request)
                except ClusterError as error:
                    error.was_unsure = was_unsure or error.was_unsure
                    was_unsure = error.was_unsure or error.is_unsure
                    pause = patience.pause(error, clock()) if self._may_pass(error) else None
                    if pause is None:
                        raise
                    await self._renew_rejected(error, before)
                    await asyncio.sleep(pause)

    def _may_pass(self, error: ClusterError) -> bool:
        """Return whether an error may pass; that depends on when the API server was away for the last time."""
        now = asyncio.get_running_loop().time()
        if error.status is None or error.status >= 500:
            self._away_at = now
        return error.passes or (error.status == 403 and now - self._away_at < _STARTING_SECONDS)

    async def _renew_rejected(self, error: ClusterError, renewals: int) -> None:
        if error.status == 401:
            # Without new ones the old ones are sent again: the API server says why it rejects them.
            with suppress(ClusterError):
                await self._transport.renew(renewals)


@asynccontextmanager
async def connected(
    reach: ClusterReach, patience_seconds: float = 0.0, account: Path = SERVICE_ACCOUNT
) -> AsyncIterator[KubernetesCluster]:
    """Connect to a cluster for the length of the block; raises ClusterError when it is unknown.

    An API server that is away is waited for until `patience_seconds` from now, and for a few seconds in any case.
    `account` is the folder with the service account of alertdrill's pod.
    """
    async with Transport(reach, account) as transport:
        yield KubernetesCluster(transport, asyncio.get_running_loop().time() + patience_seconds)


def without_managers(one: Object) -> Object:
    """Return an object without the notes on who set which field, which are half of it."""
    one["metadata"].pop("managedFields", None)
    return one


def _options(manager: str = "", *, dry_run: bool = False) -> tuple[tuple[str, str], ...]:
    return ((("fieldManager", manager),) if manager else ()) + ((("dryRun", "All"),) if dry_run else ())


def _labels(one: Object) -> dict[str, str]:
    return one["metadata"].get("labels") or {}
