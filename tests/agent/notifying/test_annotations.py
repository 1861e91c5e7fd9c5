"""Annotations in a server with the two calls of Grafana's API that are used."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.config.servers import Grafana
from alertdrill.agent.history.outbox import HistoryOutbox
from alertdrill.agent.notifying.annotations import Annotations
from tests.support.answering import answering
from tests.support.waiting import running, until

TOKEN = "CANARY-token"  # noqa: S105 - of a test


class GrafanaServer:
    """Keeps annotations by id; while it is away it answers 503."""

    def __init__(self) -> None:
        self.kept: dict[int, dict[str, Any]] = {}
        self.asked = 0
        self.is_away = False

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.is_away:
            return web.Response(status=503, text=f"away, {request.headers['Authorization']}")
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        values = await request.json()
        if request.method == "POST":
            assert request.path == "/api/annotations"
            self.kept[len(self.kept) + 7] = values
            return web.json_response({"id": len(self.kept) + 6, "message": "Annotation added"})
        assert request.method == "PATCH"
        self.kept[int(request.path.removeprefix("/api/annotations/"))] |= values
        return web.json_response({"message": "Annotation patched"})


class Agent:
    """The annotations of an agent, which can be started again; `in_force` is what its ledger has."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.grafana = Grafana.model_validate({"url": url, "token": TOKEN})
        self.in_force: set[tuple[str, str]] = set()
        self.lines: list[str] = []
        self.now = 1_000.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Annotations]:
        outbox = HistoryOutbox(HistorySettings(), self.folder)
        kept = await outbox.read()
        made = Annotations(lambda: self.grafana, lambda: self.in_force, outbox, lambda: self.now, self.lines.append)
        async with running(outbox.run()), running(made.run(kept.annotations)):
            yield made

    async def keeps(self, *ids: int | None) -> bool:
        """Return whether the annotations that are not complete are kept with these ids of Grafana."""
        problems: list[str] = []
        kept = (await HistoryOutbox(HistorySettings(), self.folder, problems.append).read()).annotations
        return not problems and tuple(json.loads(one)["grafana_id"] for one in kept.values()) == ids


async def test_a_fault_is_a_region_from_its_injection_to_its_end(tmp_path: Path) -> None:
    server = GrafanaServer()
    async with answering(server.answer) as grafana:
        agent = Agent(tmp_path, grafana.url)
        async with agent.running() as annotations:
            annotations.begin("k", "slow-db", "latency", "db", 1_000.5)
            await until(lambda: agent.keeps(7), "the annotation is there while the fault is in force")
            assert "timeEnd" not in server.kept[7]
            annotations.end("k", 1_060.25, is_undone=True)
            await until(agent.keeps, "it ends with the fault")
    assert server.kept == {
        7: {
            "time": 1_000_500,
            "timeEnd": 1_060_250,
            "text": "fault latency on db, drill slow-db",
            "tags": ["alertdrill", "drill:slow-db", "fault:latency"],
        }
    }


async def test_the_next_agent_closes_what_a_killed_one_left_when_the_ledger_has_it_no_more(tmp_path: Path) -> None:
    server = GrafanaServer()

    async def are_closed() -> bool:
        return all("timeEnd" in one for one in server.kept.values())

    async with answering(server.answer) as grafana:
        agent = Agent(tmp_path, grafana.url)
        async with agent.running() as annotations:
            annotations.begin("k", "slow-db", "latency", "db", 1_000.0)
            await until(lambda: agent.keeps(7), "it is open, and its id is kept")
        agent.in_force, agent.now = {("slow-db", "latency")}, 1_100.0
        async with agent.running() as annotations:
            # Something happens, so that it looks at the ledger.
            annotations.begin("m", "other", "down", "web", 1_100.0)
            await until(lambda: asyncio.sleep(0, len(server.kept) == 2), "the new one is open")
            assert "timeEnd" not in server.kept[7]
            agent.in_force, agent.now = set(), 1_200.0
            annotations.end("m", 1_150.0, is_undone=True)
            await until(are_closed, "the old one is closed as well")
    assert server.kept[7]["timeEnd"] == 1_200_000
    assert "its end is not known more exactly" in server.kept[7]["text"]
    assert server.kept[8]["timeEnd"] == 1_150_000


async def test_what_a_grafana_that_is_away_has_missed_is_written_later(tmp_path: Path) -> None:
    server = GrafanaServer()
    server.is_away = True
    async with answering(server.answer) as grafana:
        agent = Agent(tmp_path, grafana.url)
        async with agent.running() as annotations:
            annotations.begin("k", "slow-db", "latency", "db", 1_000.0)
            await until(lambda: asyncio.sleep(0, server.asked > 0), "it was asked")
            await until(lambda: asyncio.sleep(0, bool(agent.lines)), "the problem is told")
            await until(lambda: agent.keeps(None), "it is kept without an id")
            server.is_away = False
            annotations.end("k", 1_060.0, is_undone=True)
            await until(agent.keeps, "it is written")
    assert (server.kept[7]["time"], server.kept[7]["timeEnd"]) == (1_000_000, 1_060_000)
    assert "answered 503" in agent.lines[0]
    assert TOKEN not in agent.lines[0]
