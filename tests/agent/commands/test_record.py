"""`alertdrill record`: its times, and a stretch of time on a server with prepared answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from typer.testing import CliRunner

from alertdrill.agent.cli import app
from alertdrill.agent.config.agent import read_agent_config
from alertdrill.agent.drilling.stretch import Stretch, recorded
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.verdict.judge import judge
from tests.support.answering import Answering, answering

START = 1_790_000_000.0
QUEUE = {"__name__": "queue", "job": "shop", "instance": "shop:80"}
FIRING = {"__name__": "ALERTS", "alertname": "QueueGrows", "alertstate": "firing", "job": "shop"}
RULE = {
    "type": "alerting", "name": "QueueGrows", "query": "queue > 5", "duration": 0, "health": "ok", "labels": {},
    "annotations": {}, "alerts": [],
}  # fmt: skip
GROUP = {"name": "g", "file": "rules.yml", "interval": 15, "rules": [RULE]}
SCRAPES = [round(START + 15 * n + 4, 3) for n in range(40)]


def _matrix(labels: dict[str, str], values: list[tuple[float, str]]) -> dict[str, Any]:
    return {"resultType": "matrix", "result": [{"metric": labels, "values": values}] if values else []}


def _query(query: str) -> dict[str, Any]:
    if "label_replace" in query:
        rows = [{"metric": {"of": "0", "what": what}, "value": [START, "40"]} for what in ("series", "samples")]
        return {"resultType": "vector", "result": rows}
    if query.startswith("queue["):
        return _matrix(QUEUE, [(at, "9") for at in SCRAPES])
    if query.startswith("ALERTS["):
        return _matrix(FIRING, [(START + 15 * n, "1") for n in range(10, 20)])
    return _matrix({}, [])


def _answer(request: web.Request) -> web.Response:
    answers: dict[str, Any] = {
        "rules": {"groups": [GROUP]},
        "flags": {"query.lookback-delta": "5m"},
        "buildinfo": {"version": "2.42.0"},
        "config": {"yaml": "global: {external_labels: {region: north}}"},
        "targets": {"activeTargets": []},
    }
    last = request.path.rsplit("/", 1)[1]
    data = answers[last] if last in answers else _query(request.query["query"])
    return web.json_response({"status": "success", "data": data})


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Answering]:
    async with answering(_answer) as started:
        yield started


async def test_a_stretch_of_time_is_recorded_without_a_drill(server: Answering, tmp_path: Path) -> None:
    (tmp_path / "agent.yml").write_text(
        'probe: {kind: http, url: "http://127.0.0.1:1/"}\ntoxiproxy: {url: "http://127.0.0.1:1"}\n'
        f'prometheus: {{url: "{server.url}"}}\nalertmanager: {{url: "http://127.0.0.1:1"}}\n'
    )
    config = read_agent_config(tmp_path / "agent.yml")
    stretch = Stretch("incident", START + 120, START + 600, ("QueueGrows",))
    recording = await recorded(config, stretch)
    assert recording.is_stretch
    assert recording.faults == []
    assert recording.replay is not None
    assert recording.replay.external_labels == {"region": "north"}
    assert [labels["__name__"] for labels, _ in recording.replay.samples()] == ["queue"]
    assert [one.state for one in recording.alerts] == ["firing"]
    (verdict,) = judge(recording).verdicts
    assert verdict.outcome == "inconclusive"
    with pytest.raises(ConfigError, match="no rule makes the alert Queue, Prometheus has: QueueGrows"):
        await recorded(config, Stretch("incident", START, START + 60, ("Queue",)))


@pytest.mark.parametrize(
    ("times", "says"),
    [
        (("--from", "1h", "--to", "2h"), "--from must be before --to"),
        (("--from", "2999-01-01T00:00:00Z"), "--from must be before --to, and --to not in the future"),
        (("--from", "2026-01-02T03:04:05"), "has no time zone, expected one such as 2026-01-02T03:04:05Z"),
        (("--from", "yesterday"), "--from: 'yesterday' is not a duration"),
    ],
)
def test_times_that_are_none_are_refused(times: tuple[str, ...], says: str) -> None:
    ran = CliRunner().invoke(app, ["record", *times, "--alert", "QueueGrows"])
    assert ran.exit_code == 2
    assert says in ran.stderr
