"""An agent behind a real HTTP server, in this process, for the tests of its API and of its pages."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import bcrypt

from alertdrill.agent.api.api import Api
from alertdrill.agent.api.table import BASE
from alertdrill.agent.config.calendars import Calendars
from alertdrill.agent.config.daemon import SteadyLoad
from alertdrill.agent.config.drill import Drill
from alertdrill.agent.daemon.agent import Agent
from alertdrill.agent.daemon.configured import Configured
from alertdrill.agent.daemon.starting import Started
from alertdrill.agent.history.load import LoadPeriod
from alertdrill.agent.pages.routes import Pages
from alertdrill.agent.recording.recording import Recording, recording_name, write_recording
from alertdrill.agent.schedule.journal import Journal
from alertdrill.agent.serving.door import Door
from alertdrill.agent.serving.server import serving
from alertdrill.lab.ports import free_ports
from tests.agent.drilling.virtual_site import World
from tests.support.waiting import until

CI, PAGER, PASSWORD = "ci-token-0123456789", "pager-token-0123456789", "correct horse"
JSON = {"Content-Type": "application/json"}


def bearer(token: str) -> dict[str, str]:
    """Return the headers of a call with a token."""
    return {"Authorization": f"Bearer {token}"} | JSON


def basic(name: str, password: str) -> dict[str, str]:
    """Return the headers of a call with a name and a password."""
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()} | JSON


def web_yml(folder: Path, more: str = "") -> Path:
    """Write a web.yml with two names and two tokens."""
    (folder / "ci").write_text(CI + "\n")
    (folder / "pager").write_text(PAGER + "\n")
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    path = folder / "web.yml"
    path.write_text(
        f"basic_auth_users: {{alice: {hashed}, bob: {hashed}}}\n"
        "alertdrill:\n"
        "  bearer_token_files: {ci: ci, pager: pager}\n"
        f"  roles: {{ci: write, pager: webhook, alice: read, bob: write}}\n{more}"
    )
    return path


@dataclass
class Served:
    """A served agent, and how to call it."""

    agent: Agent
    api: Api
    url: str
    told: list[str]
    session: aiohttp.ClientSession

    async def ask(
        self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, Any]:
        async with self.session.request(method, self.url + path, data=body, headers=headers or {}) as answer:
            text = await answer.text()
            value = json.loads(text) if text.startswith(("{", "[")) else text
            return answer.status, value, answer.headers

    async def get(self, path: str, **headers: str) -> tuple[int, Any, Any]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("GET", BASE + path, None, sent)


def with_a_surge(world: World) -> Drill:
    """Make a drill with a surge, and with a fault that has settings and comes later."""
    surge = {"rate": 50, "at": "2s", "lasts": "10s"}
    return world.drill(world.slowness(at="5s", inject_seconds=0.5), load={"rate": 30, "surges": [surge]})


@asynccontextmanager
async def served(
    folder: Path,
    door: Door | None = None,
    kind: type[Api] = Api,
    drill: Callable[[World], Drill] = lambda world: world.drill(world.slowness()),
    **config: Any,
) -> AsyncIterator[Served]:
    """Serve an agent that sends no load and runs no drill by itself, behind a door of its own or a given one."""
    world = World(folder)
    (port,) = free_ports(1)
    entry = {"name": "weekly", "drills": ["*"], "cron": "0 10 * * TUE"}
    blackouts = [{"name": "freeze", "from": "2020-01-01", "to": "2099-01-01"}]
    world.config = {
        "listen": f"127.0.0.1:{port}",
        "recordings": folder / "kept",
        "schedule": {"time_zone": "UTC", "entries": [entry], "blackouts": blackouts},
        "freshness": {"prove_within": {"page": "30d"}},
    } | config
    settings, told = world.settings(), list[str]()
    configured = Configured(settings, SteadyLoad(rate=20), {"weekly": [drill(world)]}, Calendars(), "abc")
    async with world.site() as site, aiohttp.ClientSession() as session:
        agent = Agent(Started(folder / "agent.yml"), configured, site, Journal(folder / "kept"), told.append)
        api = kind(agent)
        own = site.serving(api.routes, tell=told.append)
        async with own if door is None else serving(api.routes(door), settings.listen):
            yield Served(agent, api, f"http://{settings.listen}", told, session)


@asynccontextmanager
async def shown(folder: Path, *recordings: Recording, **config: Any) -> AsyncIterator[Served]:
    """Serve an agent with its pages, and with some runs in its history."""
    for one in recordings:
        write_recording(one, folder / "kept" / recording_name(one.drill.name, one.started_at))
    async with served(folder, kind=Pages, **config) as agent:
        tasks = [asyncio.ensure_future(work()) for work in (agent.agent.parts.history.run, agent.api.run)]

        async def is_known() -> bool:
            return agent.agent.parts.history.is_known

        await until(is_known, "the history is read")
        agent.agent.parts.history.put_load(LoadPeriod(10, int(time.time()) - 60, due=200, target=200.0).row())
        counts = agent.agent.parts.history.counts
        await until(lambda: asyncio.sleep(0, counts["ok"] > 0), "a period of the load is written")
        try:
            yield agent
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
