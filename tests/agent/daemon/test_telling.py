"""A whole agent as a process, and one server for everything that it tells."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.daemon.telling import load_problem
from alertdrill.agent.history.outbox import HistoryOutbox
from alertdrill.agent.recording.recording import Recording, write_recording
from alertdrill.lab.ports import free_ports
from alertdrill.probes.load.tally import LoadSecond
from tests.support.answering import answering
from tests.support.canaries import Canaries
from tests.support.waiting import until


@dataclass
class Receiver:
    """Takes all but what comes to /slack, and repeats that, as a careless server does."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    beats: int = 0
    refused: int = 0

    @property
    def subjects(self) -> list[str]:
        """The subjects of all events, without the names of their drills."""
        return [subject.partition(" in drill ")[0] for subject, _ in self.states]

    @property
    def states(self) -> list[tuple[str, str]]:
        """The subjects of all events with their states."""
        return [(event["subject"], event["state"]) for one in self.messages for event in one["events"]]

    async def answer(self, request: web.Request) -> web.Response:
        if request.path.startswith("/hook"):
            self.messages.append(await request.json())
        elif request.path.startswith("/beat"):
            self.beats += 1
        elif request.path.startswith("/slack"):
            self.refused += 1
            return web.Response(status=500, text=f"{request.url} {dict(request.headers)}")
        return web.Response()


def write_config(canaries: Canaries, url: str, listen: int) -> None:
    secret = canaries.file()
    values = {
        "probe": {"kind": "http", "url": f"{url}/", "timeout": "60s"},
        "prometheus": {"url": "http://127.0.0.1:1"},
        "listen": f"127.0.0.1:{listen}",
        "ledger": "ledger",
        "recordings": "kept",
        "load": {"rate": 5},
        "grafana": {"url": url, "token_file": canaries.file()},
        "notify": {
            "targets": [
                {"webhook": {"url": f"{url}/hook/{canaries.text()}", "secret_file": secret}},
                {"slack": {"url": f"{url}/slack/{canaries.text()}"}, "when": ["failed"]},
            ]
        },
        "watchdog_alert": {"alert": "Watchdog", "every": "1s", "grace": "0s"},
        "heartbeat": {"url": f"{url}/beat/{canaries.text()}", "every": "1s"},
    }
    (canaries.folder / "agent.yml").write_text(yaml.safe_dump(values))


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Process]:
    command = ["-m", "alertdrill", "run", "--config", "agent.yml", "--log-format", "json"]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=folder, stdout=PIPE, stderr=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def printed(process: Process) -> tuple[str, str]:
    """Return all lines of the log, and what stands beside it."""
    out, err = await process.communicate()
    return out.decode(), err.decode()


async def metrics(listen: int) -> str:
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(f"http://127.0.0.1:{listen}/metrics") as answer:
                return await answer.text()
        except aiohttp.ClientError:
            return ""


async def notify_as_alertmanager(listen: int) -> None:
    times = {"startsAt": "2026-09-21T14:00:00Z", "endsAt": "0001-01-01T00:00:00Z"}
    alert = {"status": "firing", "labels": {"alertname": "Watchdog"}, "annotations": {}} | times
    url = f"http://127.0.0.1:{listen}/api/v1/webhook/watchdog"
    async with aiohttp.ClientSession() as session, session.post(url, json={"alerts": [alert]}) as answer:
        assert answer.status == 200


@pytest.mark.servers
async def test_what_was_missed_is_told_once_also_after_the_agent_was_killed(tmp_path: Path, missed: Recording) -> None:
    write_recording(missed, tmp_path / "kept" / "missed.recording.json.gz")
    canaries, receiver, (listen,) = Canaries(tmp_path), Receiver(), free_ports(1)
    async with answering(receiver.answer) as server:
        write_config(canaries, server.url, listen)
        async with running(tmp_path) as agent:
            await until(lambda: asyncio.sleep(0, "alert OrdersSlow" in receiver.subjects), "the webhook is told")
            await until(lambda: asyncio.sleep(0, receiver.beats > 0 and receiver.refused > 0), "all are called", 180)
            waits = 'alertdrill_notifications_waiting{target="webhook"} 0.0'

            async def is_counted() -> bool:
                return waits in await metrics(listen)

            async def is_noted() -> bool:
                problems: list[str] = []
                kept = await HistoryOutbox(HistorySettings(), tmp_path / "kept", problems.append).read()
                return not problems and bool(kept.told) and all(one.target != "webhook" for one in kept.waiting)

            await until(is_counted, "the message is counted as sent")
            await until(is_noted, "that it was sent is noted")
            agent.kill()
            killed = await printed(agent)
        refused = receiver.refused
        async with running(tmp_path) as agent:
            await until(lambda: asyncio.sleep(0, receiver.refused > refused), "what waits is sent after the restart")

            async def is_overdue() -> bool:
                return 'alertdrill_watchdog_overdue{alert="Watchdog"} 1.0' in await metrics(listen)

            await until(is_overdue, "it is overdue again")
            await notify_as_alertmanager(listen)
            shown = await metrics(listen)
            assert 'alertdrill_watchdog_last_received_timestamp_seconds{alert="Watchdog"} 1.' in shown
            agent.terminate()
            ended = await printed(agent)
        assert agent.returncode == 0, ended
    assert receiver.subjects.count("alert OrdersSlow") == 1
    # The watchdog alert came, so that it is overdue no more may be told as well.
    assert len(set(receiver.states)) == len(receiver.states)
    lines = [json.loads(line) for line in (killed[0] + ended[0]).splitlines()]
    assert {"ts", "level", "msg"} <= lines[0].keys()
    assert any(line["msg"].startswith("slack was not told yet") and line["level"] == "warning" for line in lines)
    assert canaries.seen_in("".join([*killed, *ended, shown])) == []
    for path in (tmp_path / "kept").iterdir():
        assert canaries.seen_in(path.read_bytes().decode(errors="replace")) == []


def second(**values: Any) -> LoadSecond:
    usual = {"offset": 0, "target_rate": 100.0, "due": 100, "succeeded": 100, "failed": 0, "dropped": 0, "lost": 0}
    usual |= {"in_flight": 0, "p50_seconds": 0.1, "p95_seconds": 0.1, "p99_seconds": 0.1, "lateness_p99_seconds": 0.0}
    return LoadSecond(**(usual | values))


def test_a_load_that_is_not_sent_as_planned_is_a_problem() -> None:
    assert load_problem([]) == load_problem([second()] * 30) == ""
    # Failures are the service's, and not the load's.
    assert load_problem([second(succeeded=0, failed=100)] * 30) == ""
    assert load_problem([second(dropped=2)] * 30).startswith("the load of the last 30 s dropped 60 of 3000")
    assert "behind its schedule" in load_problem([second()] * 20 + [second(lateness_p99_seconds=0.6)])
    assert load_problem([second(dropped=50)] * 9 + [second()] * 30) == ""
