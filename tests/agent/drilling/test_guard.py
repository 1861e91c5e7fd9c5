"""Reasons that end a drill early, in virtual time: at the next look the drill ends and its fault is undone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from alertdrill.agent.config.drill import DrillLoad
from alertdrill.agent.drilling.conductor import Conductor
from alertdrill.agent.drilling.observer import Observer
from alertdrill.agent.drilling.progress import Progress
from alertdrill.agent.drilling.site import RunningDrill
from alertdrill.agent.recording.recording import Recording
from alertdrill.lab.ports import free_ports
from tests.agent.drilling.virtual_site import EPOCH, World, instants
from tests.support.virtual_time import in_virtual_time

Event = tuple[float, Callable[[], object]]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _run(world: World, *events: Event, **settings: object) -> Recording:
    """Run a drill whose fault begins at 12 s; events happen at instants of the loop."""

    async def main() -> Recording:
        for at, event in events:
            asyncio.get_running_loop().call_at(at, event)
        async with world.site() as site:
            return await Conductor(site, world.drill(world.slowness(at="2s"), **settings), world.tell).run()

    return in_virtual_time(main)


def test_the_kill_switch_undoes_the_fault_at_the_next_look(world: World) -> None:
    switch = world.folder / "stop"
    world.config["guards"] = {"kill_switch": switch}
    recording = _run(world, (13.1, switch.touch))
    assert recording.aborted == f"the kill switch {switch} is there: remove it to drill"
    assert instants(recording)["service"] == [(12.0, 13.5)]
    assert instants(recording)["fault"] == [(10.0, 13.5)]


def test_a_kill_switch_in_the_baseline_breaks_nothing(world: World) -> None:
    switch = world.folder / "stop"
    world.config["guards"] = {"kill_switch": switch}
    assert instants(_run(world, (4.2, switch.touch))) == {"baseline": [(0.0, 4.5)]}


def test_a_drill_ends_when_a_blackout_begins(world: World) -> None:
    now = datetime.fromtimestamp(EPOCH, UTC)
    last = (now + timedelta(seconds=14)).replace(microsecond=0)
    blackout = {"begin": last, "end": last + timedelta(hours=1), "why": "the sale"}
    world.config["guards"] = {"blackouts": [blackout]}
    recording = _run(world)
    assert "the sale" in recording.aborted
    assert instants(recording)["service"] == [(12.0, 14.0)]


def test_a_threshold_on_the_load_ends_the_drill(world: World) -> None:
    """Transactions fail from 12.7 s on: 6 of 246 by the end of second 12, 26 of 266 by that of second 13."""
    recording = _run(world, baseline="10s100ms", abort_unless={"http_req_failed": ["rate<0.05"]})
    assert "http_req_failed" in recording.aborted
    assert instants(recording)["service"] == [(12.1, 14.1)]


def test_failures_of_the_load_before_the_drill_do_not_abort_it(world: World) -> None:
    async def main() -> Recording:
        async with world.site() as site, site.loaded(DrillLoad(rate=20)):
            world.service.is_failing = True
            await asyncio.sleep(30)
            world.service.is_failing = False
            await asyncio.sleep(0.1)
            drill = world.drill(expect=[], observe="5s", abort_unless={"http_req_failed": ["rate<0.05"]})
            return await Conductor(site, drill, world.tell).run()

    recording = in_virtual_time(main)
    assert not recording.aborted
    assert (recording.load.failed, recording.load.reasons) == (0, {})


def test_a_query_that_becomes_true_ends_the_drill(world: World) -> None:
    recording = _run(world, abort_if=["slow > 0"])
    assert recording.aborted == "abort_if became true: slow > 0"
    assert instants(recording)["service"] == [(12.0, 12.5)]


@pytest.mark.parametrize(("body", "reason"), [("", ""), ("  the  shop\nis down ", ": the shop is down")])
async def test_a_post_stops_the_drill_that_runs(tmp_path: Path, body: str, reason: str) -> None:
    """Over HTTP, so on the real clock, but no assertion depends on time."""
    (port,) = free_ports(1)
    world, stopped = World(tmp_path, config={"listen": f"127.0.0.1:{port}"}), []
    url = f"http://127.0.0.1:{port}/-/stop"
    async with world.site() as site, site.serving(), aiohttp.ClientSession() as session:
        async with session.post(url, data=body) as answer:
            assert (answer.status, await answer.text()) == (409, "no drill is running\n")
        observer = Observer(site.prometheus, site.alertmanager, world.drill(), world.tell)
        with site.hosting(RunningDrill(Progress(world.drill(), observer), stopped.append)):
            async with session.post(url, data=body) as answer:
                assert (answer.status, await answer.text()) == (200, "stopping: undoing what is broken\n")
    assert stopped == [f"stopped by POST /-/stop from 127.0.0.1{reason}"]


def test_a_stop_ends_the_drill_at_the_next_look(world: World) -> None:
    async def main() -> Recording:
        async with world.site() as site:
            drill = world.drill(world.slowness(at="2s"))
            conductor = Conductor(site, drill, world.tell)
            asyncio.get_running_loop().call_at(14.7, lambda: site.stop_drill("stopped by hand"))
            return await conductor.run()

    recording = in_virtual_time(main)
    assert recording.aborted == "stopped by hand"
    assert instants(recording)["service"] == [(12.0, 15.0)]
