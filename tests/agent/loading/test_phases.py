"""`alertdrill probe` on phases, against a real server with a limit."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

PROBE = """
probe: {{kind: http, name: order, url: {url}, checks: [{{status: 201}}]}}
load:
  phases:
    - {{phase: calm, to: 20, hold: {hold}}}
    - {{phase: busy, to: 200, hold: {busy}}}
    - {{phase: mad, to: 300, hold: {hold}}}
thresholds: {{http_req_failed: [rate<0.01]}}
stop_at_first_failure: {stop}
"""
_CARRIED_A_SECOND = 60


@dataclass
class Shop:
    """A server that accepts sixty orders each second and refuses the others."""

    url: str = ""
    asked: Counter[int] = field(default_factory=Counter)

    async def answer(self, _: web.Request) -> web.Response:
        second = int(time.monotonic())
        self.asked[second] += 1
        return web.Response(status=201 if self.asked[second] <= _CARRIED_A_SECOND else 503)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    shop = Shop()
    application = web.Application()
    application.router.add_get("/orders", shop.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    shop.url = f"http://{host}:{port}/orders"
    yield shop
    await runner.cleanup()


# The machine kept the load from being sent in time: a phase says so, or the easy one did not pass.
_SPOILT = re.compile("the load (was sent late|dropped|reached)|not even the first phase passed")


async def _start(
    folder: Path, shop: Shop, *options: str, hold: str = "2s", busy: str = "", stop: bool = False
) -> asyncio.subprocess.Process:
    file = folder / "walk.yml"
    file.write_text(PROBE.format(url=shop.url, hold=hold, busy=busy or hold, stop=str(stop).lower()))
    command = [sys.executable, "-m", "alertdrill", "probe", str(file), *options]
    return await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=os.environ | {"COLUMNS": "200"}
    )


async def _ended(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    async with asyncio.timeout(120):
        out, _ = await process.communicate()
    return process.returncode, out.decode()


async def _judged(folder: Path, shop: Shop, *options: str, stop: bool = False) -> tuple[int | None, str]:
    """Run the load until the machine lets it be sent in time, at most three times."""
    for hold in ("2s", "4s", "8s"):
        code, out = await _ended(await _start(folder, shop, *options, hold=hold, stop=stop))
        if not _SPOILT.search(out):
            break
    return code, out


async def test_each_phase_is_judged_by_itself_and_the_highest_is_named(tmp_path: Path, shop: Shop) -> None:
    options = ["--quiet", "--summary-export", f"{tmp_path}/s.json", "--html", f"{tmp_path}/s.html"]
    code, out = await _judged(tmp_path, shop, *options)
    assert code == 99
    assert out.splitlines()[-1] == "highest phase that passed: calm, at 20/s"
    calm, busy, mad = json.loads((tmp_path / "s.json").read_text())["load"]["phases"]
    assert [one["name"] for one in (calm, busy, mad)] == ["calm", "busy", "mad"]
    assert [one["passed"] for one in (calm, busy, mad)] == [True, False, False]
    assert calm["seconds"] in {2, 4, 8}
    assert (calm["asked_rate"], calm["failed_share"]) == (20, 0)
    assert mad["failed_share"] > busy["failed_share"] > 0.5
    page = (tmp_path / "s.html").read_text()
    assert "Highest phase that passed: calm, at 20/s." in page
    assert 'id="capacity"' in page


async def test_it_stops_at_the_first_phase_that_failed_if_the_file_says_so(tmp_path: Path, shop: Shop) -> None:
    code, out = await _judged(tmp_path, shop, stop=True)
    assert code == 99
    assert "busy (asked 200/s" in out
    assert "mad" not in out
    assert out.splitlines()[-1] == "highest phase that passed: calm, at 20/s"


async def test_an_interrupted_load_shows_the_phases_judged_so_far(tmp_path: Path, shop: Shop) -> None:
    for hold in ("3s", "6s", "12s"):
        # The second phase is long, so that it is the one in which the signal comes.
        process = await _start(tmp_path, shop, hold=hold, busy="5m")
        assert process.stdout is not None
        async with asyncio.timeout(120):
            while b"calm (asked 20/s" not in (line := await process.stdout.readline()):
                assert line, "it ended"
        process.send_signal(signal.SIGINT)
        code, out = await _ended(process)
        if not _SPOILT.search(out):
            break
    assert code == 130
    assert out.splitlines()[-1] == "highest phase that passed: calm, at 20/s"
    assert not any(line.startswith("busy") for line in out.splitlines())


async def test_a_prometheus_that_does_not_answer_is_reported_and_fails_no_phase(tmp_path: Path, shop: Shop) -> None:
    """The load's own figures are enough."""
    servers = "".join(
        f"{name}: {{url: 'http://127.0.0.1:9'}}\n" for name in ("prometheus", "alertmanager", "toxiproxy")
    )
    kpis = "kpis: {kpis: [{kpi: CPU, series: cpu, objective: '< 80'}]}\n"
    (tmp_path / "agent.yml").write_text(f"probe: {{kind: tcp, name: a, url: 'tcp://127.0.0.1:9'}}\n{kpis}{servers}")
    _, out = await _judged(tmp_path, shop, "--quiet", "--config", f"{tmp_path}/agent.yml")
    assert "calm: Prometheus cannot be reached: http://127.0.0.1:9" in out
    assert out.splitlines()[-1] == "highest phase that passed: calm, at 20/s"
