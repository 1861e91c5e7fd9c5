"""A drill on a load that is running: the load has the rate of the drill from a whole second to a whole second.

The workers and the server are real. A second of the load is counted by due times, which a slow machine does not change;
what arrived by the end of each second must not be more than what was due by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections import Counter
from itertools import accumulate
from multiprocessing import resource_tracker
from pathlib import Path

import pytest

from alertdrill.agent.config.drill import DrillLoad
from alertdrill.agent.daemon.configured import read_configured
from alertdrill.agent.daemon.keeping import LoadKeeper
from alertdrill.agent.drilling.site import Site
from alertdrill.probes.load.tally import Tally
from tests.agent.daemon.test_run import written
from tests.probes.hostile_server import HostileServer
from tests.probes.meeting import eventually, on_loop

USUAL, DRILL, SURGE = 40, 90, 50
SETTINGS = DrillLoad.model_validate({"rate": DRILL, "surges": [{"rate": SURGE}]})


@pytest.fixture(autouse=True, scope="module")
def _tracker() -> None:
    """Start multiprocessing's resource tracker, which stays and keeps a file open."""
    resource_tracker.ensure_running()


async def several_seconds(tally: Tally, count: int = 2) -> None:
    before = len(tally.seconds)
    await eventually(lambda: len(tally.seconds) >= before + count)


def by_second(began: float, loads: list[tuple[float, Tally]]) -> Counter[int]:
    """Count what was due in each second from the begin of the first load."""
    due: Counter[int] = Counter()
    for load_began, tally in loads:
        first = round(load_began - began)
        assert load_began - began == pytest.approx(first, abs=1e-6), "no whole second"
        for second in [*tally.seconds, *tally.parts]:
            due[first + second.offset] += second.due
    return due


@pytest.mark.servers
def test_a_drill_with_a_rate_and_a_surge_of_its_own_leaves_no_seam(tmp_path: Path) -> None:
    async def main() -> None:
        site, lines = Site(configured.config), list[str]()
        keeper = LoadKeeper(site, configured, lines.append)
        running = asyncio.ensure_future(keeper.run())
        await eventually(lambda: keeper.is_sending)
        usual = keeper.workers
        assert usual is not None
        keeper.tally = usual.tally = Tally()
        usual_tally = usual.tally
        await several_seconds(usual.tally, 1)

        keeper.tally = drill_tally = Tally()
        own = Tally()
        async with site.prepared(SETTINGS), site.sending(SETTINGS, own):
            drill = keeper.workers
            keeper.tally = last_tally = Tally()
            assert drill is not None
            await several_seconds(own, 1)
            async with site.surging(SETTINGS.surges[0], configured.config.probe) as surge:
                await several_seconds(surge.tally)
        await eventually(lambda: keeper.workers is not drill)
        last = keeper.workers
        assert last is not None
        await several_seconds(last_tally, 1)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

        loads = [(one.began, one.tally) for one in (usual, drill, last, surge)]
        assert [one.tally for one in (usual, drill, last)] == [usual_tally, drill_tally, last_tally]
        check(usual.began, loads, server)
        # Its own figures are those of its whole seconds, at its rate.
        offsets = [one.offset for one in own.seconds]
        assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))
        assert {(one.due, one.target_rate) for one in own.seconds} == {(DRILL, DRILL)}
        assert own.due == DRILL * len(own.seconds)
        assert lines == [f"the load has {DRILL} transactions a second for the drill, {USUAL} otherwise"]

    with HostileServer() as server:
        configured = read_configured(written(tmp_path, server.port)[0])
        on_loop("uvloop", main)


def check(began: float, loads: list[tuple[float, Tally]], server: HostileServer) -> None:
    _, (drill_began, _), (last_began, _), (surge_began, surge) = loads
    due = by_second(began, loads)
    seconds = sorted(due)[:-1]
    assert seconds == list(range(len(seconds)))
    drill, last, first = (round(at - began) for at in (drill_began, last_began, surge_began))
    surged = range(first, first + len(surge.seconds))
    assert len(surged) >= 2
    assert last - drill >= 3
    for second in seconds:
        rate = DRILL if drill <= second < last else USUAL
        assert due[second] == rate + (SURGE if second in surged else 0), (second, due)
    # Sent is what was due and neither dropped nor lost; all of it arrived, and nothing came before it was due.
    tallies = [tally for _, tally in loads]
    sent = sum(one.due - one.dropped - one.lost for one in tallies)
    assert sent - sum(one.in_flight for one in tallies) <= len(server.requests) <= sent
    planned = accumulate(due[second] for second in seconds)
    for second, most in zip(seconds, planned, strict=True):
        assert sum(at < began + second + 1 for at in server.read_at) <= most


@pytest.mark.servers
def test_a_drill_that_is_cut_short_gives_the_load_back_and_an_ending_agent_changes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(configured.config)
        keeper = LoadKeeper(site, configured, lambda _: None)
        running = asyncio.ensure_future(keeper.run())
        await eventually(lambda: keeper.is_sending)
        assert keeper.workers is not None
        first = weakref.ref(keeper.workers)
        with contextlib.suppress(KeyError):
            async with site.prepared(SETTINGS):
                await eventually(lambda: keeper.tally.seconds and keeper.tally.seconds[-1].target_rate == DRILL)
                raise KeyError
        await eventually(lambda: keeper.tally.seconds and keeper.tally.seconds[-1].target_rate == USUAL)
        before = keeper.workers
        async with site.prepared(SETTINGS):
            drill = keeper.workers
            assert drill is not before
            keeper.is_ending = True
        await several_seconds(keeper.tally, 1)
        assert keeper.workers is drill
        # None of the loads before keeps the one before it: an agent that is reloaded for months would grow.
        gc.collect()
        assert first() is None
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    with HostileServer() as server:
        configured = read_configured(written(tmp_path, server.port)[0])
        on_loop("uvloop", main)
