"""The routes of the pages, beside those of the API. What makes the pages is loaded when the first one is asked for."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from alertdrill.agent.api.api import Api
from alertdrill.agent.daemon.agent import Agent
from alertdrill.agent.errors import place_of
from alertdrill.agent.log import LogLevel, LogLine
from alertdrill.agent.serving.door import Door, Refused
from alertdrill.chaos.machine.threads import in_thread
from alertdrill.units.extras import LibraryMissing, require_library

STATIC = "/static"
_MODULE = "alertdrill.agent.pages.pages"
# By the name of the method that makes the page.
_PAGES = {
    "/": "now",
    "/alerts": "alerts",
    "/runs": "runs",
    "/runs/{id}": "run",
    "/runs/{id}/recording": "recording",
    "/runs/{id}/report": "report",
    "/runs/{id}/postmortem": "postmortem",
    "/schedule": "schedule",
    "/load": "load",
    "/kpis": "kpis",
    "/drills": "drills",
    "/drills/{name}": "drill",
}
_Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Pages(Api):
    """The API of one agent, and its pages."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(agent)
        self._loading = asyncio.Lock()
        # Its module is not loaded yet.
        self._made: Any = None

    def routes(self, door: Door) -> Iterable[web.RouteDef]:
        """Return the routes of the API and of the pages, each behind the door."""
        yield from super().routes(door)
        for path, name in _PAGES.items():
            yield web.get(path, self._answering(door, name))
        # Nothing in these files is secret.
        yield web.get(f"{STATIC}/{{name}}", self._static)

    def _answering(self, door: Door, name: str) -> _Answer:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                await door.admit(request, "read")
                made = await self._loaded()
            except Refused as error:
                # Nothing of the agent is shown to whom may not read.
                return web.Response(status=error.status, text=f"{error}\n", headers=error.headers)
            try:
                found: web.StreamResponse = await getattr(made, name)(request)
            except Refused as error:
                found = await made.refused(request, error)
            except Exception as error:  # noqa: BLE001 - the agent goes on, whatever one page does
                self.agent.parts.tell(LogLine(f"the page {request.path} failed: {place_of(error)}", LogLevel.ERROR))
                found = web.Response(status=500, text="alertdrill failed: its log says where\n")
            return found

        return answer

    async def _static(self, request: web.Request) -> web.StreamResponse:
        try:
            made = await self._loaded()
        except Refused as error:
            return web.Response(status=error.status, text=f"{error}\n")
        found: web.StreamResponse = made.static(request)
        return found

    async def _loaded(self) -> Any:  # noqa: ANN401 - see `_made`
        async with self._loading:
            if self._made is None:
                try:
                    require_library("jinja2", "report")
                except LibraryMissing as error:
                    raise Refused(501, "there are no pages", str(error)) from error
                module = await in_thread(lambda: importlib.import_module(_MODULE))
                self._made = module.PageHandlers(self)
        return self._made
