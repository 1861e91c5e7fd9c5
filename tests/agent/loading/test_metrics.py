"""`alertdrill probe --listen` serves the metrics of the load while it runs."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from rich.console import Console
from typer.testing import CliRunner

from alertdrill.agent.cli import app
from alertdrill.agent.loading.options import LoadOptions
from alertdrill.agent.loading.session import run_load
from alertdrill.lab.ports import free_ports
from tests.support.waiting import until

PROBE = """\
probe:
  kind: http
  url: http://{address}/
  checks: [{{name: status is 201, status: 201}}]
load: {{rate: 50, duration: 30s}}
"""


@pytest_asyncio.fixture
async def probe_file(tmp_path: Path) -> AsyncIterator[Path]:
    """Write a probe file for a server that answers 201."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=201)

    port = free_ports(1)[0]
    service = web.Application()
    service.router.add_get("/", answer)
    runner = web.AppRunner(service)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    path = tmp_path / "probe.yml"
    path.write_text(PROBE.format(address=f"127.0.0.1:{port}"))
    yield path
    await runner.cleanup()


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_load_can_be_watched_while_it_runs(probe_file: Path, workers: int) -> None:
    """With several workers the parent serves the metrics of all."""
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    options = LoadOptions(probe_file, workers=workers, listen=listen, duration=timedelta(minutes=5))
    load, text = asyncio.ensure_future(run_load(options, Console(file=io.StringIO()))), ""
    try:
        async with aiohttp.ClientSession() as session:

            async def is_shown() -> bool:
                nonlocal text
                assert not load.done()
                text = await _scraped(session, listen)
                return all(f"alertdrill_{rate}_transactions_per_second 50.0" in text for rate in ("target", "achieved"))

            await until(is_shown, "fifty a second are sent")
    finally:
        load.cancel()
    with pytest.raises(asyncio.CancelledError):
        await load
    assert 'alertdrill_checks_failed_total{check="status is 201"} 0.0' in text
    assert "alertdrill_drill_running 0.0" in text


async def _scraped(session: aiohttp.ClientSession, listen: str) -> str:
    try:
        async with session.get(f"http://{listen}/metrics") as response:
            return await response.text()
    except aiohttp.ClientConnectionError:
        return ""


def test_an_address_without_a_port_is_refused(tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["probe", str(tmp_path / "probe.yml"), "--listen", "9095"])
    assert ended.exit_code == 2
    assert "--listen: '9095' is not an address, expected HOST:PORT such as 127.0.0.1:9095" in ended.output
