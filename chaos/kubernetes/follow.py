"""The objects with some labels, kept up to date by a watch: they are listed once, and then only changes are sent.

A watch that breaks goes on at the last version that it saw. Where a role has no `watch`, or a proxy lets none through, the
list is read again and again, and less often the longer that takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from alertdrill.chaos.kubernetes.client import MOST_OBJECTS, without_managers
from alertdrill.chaos.kubernetes.place import ClusterError, Object, Place
from alertdrill.chaos.kubernetes.transport import ClusterRequest, refusal

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster

_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 2.0
# A list without a watch: the API server is asked for it during a tenth of the time at most.
_PAUSE_FOR_LISTING = 9.0


class Followed:
    """The objects as the API server last told of them."""

    def __init__(self, cluster: KubernetesCluster, place: Place, selector: str) -> None:
        self._cluster = cluster
        self._place = place
        self._selector = selector
        self._objects: dict[str, Object] = {}
        self._problem: ClusterError | None = None
        self._is_known = asyncio.Event()
        self._keeping = asyncio.ensure_future(self._keep())

    async def now(self) -> list[Object]:
        """Return the objects, in the order of their names; raises ClusterError while the API server does not answer."""
        await self._is_known.wait()
        if self._keeping.done():
            self._keeping.result()
        if self._problem is not None:
            raise self._problem.with_traceback(None)
        return [self._objects[name] for name in sorted(self._objects)]

    async def end(self) -> None:
        """Follow no longer."""
        self._keeping.cancel()
        await asyncio.wait([self._keeping])

    async def _keep(self) -> None:
        """List the objects and follow their changes, again and again."""
        clock = asyncio.get_running_loop().time
        try:
            while True:
                began, pause = clock(), _PAUSE_SECONDS
                with suppress(ClusterError):  # `now` raises it
                    version = await self._list()
                    pause = max(_PAUSE_SECONDS, _PAUSE_FOR_LISTING * (clock() - began))
                    await self._follow(version)
                    pause = _PAUSE_SECONDS
                await asyncio.sleep(pause)
        finally:
            self._is_known.set()

    async def _list(self) -> str:
        try:
            found, version = await self._cluster.listed_at(self._place, self._selector)
        except ClusterError as error:
            self._problem = error
            raise
        else:
            self._problem = None
            self._objects = {one["metadata"]["name"]: one for one in found}
            return version
        finally:
            self._is_known.set()

    async def _follow(self, version: str) -> None:
        """Follow the changes since a version until it is too old; raises ClusterError where no watch is possible."""
        pause = _PAUSE_SECONDS
        while True:
            try:
                async with self._cluster.watched(self._place, self._selector, version) as events:
                    self._problem, pause = None, _PAUSE_SECONDS
                    async for event in events:
                        version = self._noted(event)
            except ClusterError as error:
                if error.status == 410:
                    return
                if not error.passes:
                    raise
                self._problem = error
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _noted(self, event: Object) -> str:
        """Note a change, and return its version; raises ClusterError when the API server ends the watch with one."""
        one = event["object"]
        if event["type"] == "ERROR":
            raise refusal(int(one.get("code") or 0), one, ClusterRequest("watch", self._place))
        name = one["metadata"].get("name", "")
        if event["type"] == "DELETED":
            self._objects.pop(name, None)
        elif event["type"] in {"ADDED", "MODIFIED"}:
            self._objects[name] = without_managers(one)
            if len(self._objects) > MOST_OBJECTS:
                raise ClusterError(f"watch {self._place.words}: there are more than {MOST_OBJECTS:,} of them")
        return str(one["metadata"]["resourceVersion"])


@asynccontextmanager
async def followed(cluster: KubernetesCluster, place: Place, selector: str = "") -> AsyncIterator[Followed]:
    """Keep the objects with some labels up to date for the length of the block."""
    objects = Followed(cluster, place, selector)
    try:
        yield objects
    finally:
        await objects.end()
