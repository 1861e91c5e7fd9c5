"""The API of a running agent, as its server gets it: routes from the table, and the task that watches for events."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aiohttp import web

from alertdrill.agent.api.acting import Acting
from alertdrill.agent.api.calls import ApiCall, Handler, answering, not_there, problem
from alertdrill.agent.api.events import Events
from alertdrill.agent.api.openapi import document
from alertdrill.agent.api.reading import ReadHandlers
from alertdrill.agent.api.run_files import RunFiles
from alertdrill.agent.api.table import BASE, ROUTES
from alertdrill.agent.api.wire import Document
from alertdrill.agent.daemon.agent import Agent, More
from alertdrill.agent.serving.door import Door, Refused


class Api(More):
    """The API of one agent."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(agent)
        self.reading, self.acting, self.events = ReadHandlers(agent), Acting(agent), Events(agent)
        self.files = RunFiles(agent, self.reading)
        reading, acting = self.reading, self.acting
        self._handlers: dict[str, Handler] = {
            "status": reading.status,
            "load": self.events.load,
            "runs": reading.runs,
            "run": reading.run,
            "recording": self.files.recording,
            "report": self.files.report,
            "postmortem": self.files.postmortem,
            "config": reading.config,
            "alerts": reading.alerts,
            "schedule": reading.schedule,
            "occurrences": reading.occurrences,
            "blackouts": reading.blackouts,
            "events": self.events.events,
            "openapi": _document,
            "start_of": acting.start_of,
            "start": acting.start,
            "abort": acting.abort,
            "pause": acting.pause,
            "resume": acting.resume,
            "add_blackout": acting.add_blackout,
            "end_blackout": acting.end_blackout,
            "heal": acting.heal,
            "reload": acting.reload,
        }

    def routes(self, door: Door) -> Iterable[web.RouteDef]:
        """Return the routes, each behind the door."""
        for name, route in ROUTES.items():
            handler = answering(door, route, self._handlers[name], self.agent.parts.tell)
            yield web.route(route.method, BASE + route.path, handler)
        yield web.route("*", f"{BASE}/{{rest:.*}}", _elsewhere)

    async def run(self) -> None:
        """Watch for events until this is cancelled."""
        await self.events.run()


async def _document(_: ApiCall) -> Document:
    return Document(**document())


async def _elsewhere(request: web.Request) -> web.Response:
    """Answer a call of a path, or with a method, that the API does not have."""
    path = request.path.removeprefix(BASE)
    allowed = [one.method for one in ROUTES.values() if re.fullmatch(re.sub(r"{\w+}", "[^/]+", one.path), path)]
    if not allowed:
        return await not_there(request)
    return problem(
        Refused(405, "the path has no such method", f"it has {', '.join(allowed)}", Allow=", ".join(allowed))
    )
