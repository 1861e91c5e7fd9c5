"""What a site serves while no drill runs on it, and while one does; over HTTP, without a look at the time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import aiohttp

from alertdrill.agent.config.drill import DrillLoad
from alertdrill.agent.drilling.observer import Observer
from alertdrill.agent.drilling.progress import Progress
from alertdrill.agent.drilling.site import Dependencies, RunningDrill, Site
from alertdrill.lab.ports import free_ports
from alertdrill.probes.load.tally import Tally
from alertdrill.probes.outcome import Outcome
from tests.agent.drilling.virtual_site import RecordedSite, World

CALL = {
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "Slow"},
            "startsAt": "2026-01-02T03:04:05Z",
            "endsAt": "0001-01-01T00:00:00Z",
        }
    ]
}


@asynccontextmanager
async def _served(world: World) -> AsyncIterator[tuple[RecordedSite, aiohttp.ClientSession]]:
    (port,) = free_ports(1)
    world.config["listen"] = f"127.0.0.1:{port}"
    async with (
        world.site() as site,
        site.serving(),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        yield site, session


def _running(world: World, site: RecordedSite) -> RunningDrill:
    drill = world.drill(world.slowness())
    progress = Progress(drill, Observer(site.prometheus, site.alertmanager, drill, world.tell))
    progress.phase, progress.faults = "fault", {("slowness", "service"): 1}
    return RunningDrill(progress, lambda _: None)


async def _metrics(session: aiohttp.ClientSession) -> list[str]:
    async with session.get("/metrics") as answer:
        return (await answer.text()).splitlines()


async def _notify(session: aiohttp.ClientSession, call: Any = CALL) -> int:
    async with session.post("/api/v1/webhook/pager", json=call) as answer:
        return answer.status


async def test_the_metrics_show_the_drill_that_runs(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with _served(world) as (site, session):
        assert "alertdrill_drill_running 0.0" in await _metrics(session)
        with site.hosting(_running(world, site)):
            during = await _metrics(session)
        assert "alertdrill_drill_running 0.0" in await _metrics(session)
    assert "alertdrill_drill_running 1.0" in during
    assert 'alertdrill_drill_phase{drill="slow-service",phase="fault"} 1.0' in during
    assert 'alertdrill_fault_active{kind="slowness",target="service"} 1.0' in during


async def test_a_drill_receives_the_notifications_of_its_time(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with _served(world) as (site, session):
        first, second = _running(world, site), _running(world, site)
        assert await _notify(session) == 200
        for running in (first, second):
            with site.hosting(running):
                assert await _notify(session) == 200
    assert [len(running.notifications) for running in (first, second)] == [1, 1]
    assert first.notifications[0].labels == {"alertname": "Slow"}


async def test_a_call_that_is_not_a_webhook_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with _served(world) as (_, session):
        assert await _notify(session, {"alerts": "none"}) == 400


async def test_every_acknowledged_transaction_of_a_drill_is_counted(tmp_path: Path) -> None:
    """Also those that are acknowledged while the load and the counting end."""
    acknowledged: list[str] = []
    tally = Tally()
    config = World(tmp_path).settings()
    dependencies = Dependencies(connect=lambda _: nullcontext(_Swift()))
    site = Site(config, acknowledged.extend, dependencies=dependencies)
    async with site.sending(DrillLoad(rate=5_000), tally):
        await asyncio.sleep(0.2)
    assert tally.succeeded == len(acknowledged) > 0


class _Swift:
    """A client whose transactions succeed at once, each with an id."""

    def __init__(self) -> None:
        self._ids: list[str] = []

    def start(self, ended: Callable[[Outcome], None]) -> None:
        self._ids.append(str(len(self._ids)))
        ended(Outcome())

    def take_acknowledged(self) -> list[str]:
        ids, self._ids = self._ids, []
        return ids
