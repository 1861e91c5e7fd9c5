"""Faults and surges on their time line, in virtual time and to the exact second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from alertdrill.agent.config.drill import Drill
from alertdrill.agent.drilling.faults import FaultRunner
from alertdrill.agent.drilling.observer import Observer
from alertdrill.agent.drilling.progress import Progress
from alertdrill.agent.drilling.site import FaultNote
from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.safety.ledger import Ledger
from tests.agent.drilling.virtual_site import World, since_start
from tests.support.virtual_time import in_virtual_time, loop_time


class Drilling:
    """A fault runner at work, with its drill's progress and its ledger."""

    def __init__(self, runner: FaultRunner, progress: Progress, ledger: Ledger) -> None:
        self.runner = runner
        self.progress = progress
        self.ledger = ledger
        self.notes: list[FaultNote] = []

    @property
    def aborted(self) -> str:
        return self.progress.observer.aborted

    def instants(self) -> list[tuple[float, float]]:
        return sorted((since_start(one.injected_at), since_start(one.healed_at)) for one in self.runner.records)

    def entries(self) -> list[str]:
        return [path.stem for path in self.ledger.directory.glob("*.json")]

    def in_force(self) -> int:
        return sum(self.progress.faults.values())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _run(world: World, drill: Drill, main: Callable[[Drilling], Awaitable[None]]) -> Drilling:
    """Run the faults of a drill beside `main`, and end them when that ends."""

    async def run() -> Drilling:
        async with world.site() as site:
            observer = Observer(site.prometheus, site.alertmanager, drill, world.tell, site.clocks.wall)
            progress = Progress(drill, observer, tell=world.tell)
            ledger = Ledger(world.folder / "ledger", drill.name)
            drilling = Drilling(FaultRunner(site, progress, observer, ledger), progress, ledger)
            site.note_fault = drilling.notes.append
            async with asyncio.TaskGroup() as tasks:
                drilling.runner.begin(tasks)
                await main(drilling)
                drilling.runner.end()
        return drilling

    return in_virtual_time(run)


def _after(seconds: float) -> Callable[[Drilling], Awaitable[None]]:
    return lambda _: asyncio.sleep(seconds)


def test_others_are_told_when_each_fault_begins_and_ends(world: World) -> None:
    """Grafana shows them while they are in force."""
    drilling = _run(world, world.drill(world.slowness(at="2s", lasts="3s", inject_seconds=0.5)), _after(10))
    begin, end = drilling.notes
    assert (begin.key, begin.drill, begin.kind, begin.target) == (end.key, "slow-service", "slowness", "service")
    assert (since_start(begin.began_at), begin.ended_at) == (2.0, None)
    assert end.ended_at is not None
    assert (since_start(end.ended_at), end.is_undone) == (5.5, True)


def test_a_fault_is_in_force_from_its_instant_for_its_duration(world: World) -> None:
    async def look(drilling: Drilling) -> None:
        for at, in_force in ((1.9, 0), (2.1, 1), (4.9, 1), (5.1, 0)):
            await asyncio.sleep(at - loop_time())
            assert (drilling.in_force(), world.service.faults_in_force, len(drilling.entries())) == ((in_force,) * 3)

    assert _run(world, world.drill(world.slowness(at="2s", lasts="3s")), look).instants() == [(2.0, 5.0)]


def test_a_fault_comes_as_often_as_it_repeats(world: World) -> None:
    fault = world.slowness(at="1s", lasts="2s", repeat={"times": 3, "every": "5s"})
    assert _run(world, world.drill(fault), _after(20)).instants() == [(1.0, 3.0), (6.0, 8.0), (11.0, 13.0)]


def test_a_fault_until_the_alerts_fired_ends_with_all_faults(world: World) -> None:
    drill = world.drill(world.slowness(), world.slowness(at="1s", lasts="2s", target_name="other"))
    assert _run(world, drill, _after(7.5)).instants() == [(0.0, 7.5), (1.0, 3.0)]


def test_a_fault_with_a_duration_lasts_that_long_whatever_the_alerts_do(world: World) -> None:
    """The alerts fire at 4.5 s; the end of all faults comes at 15 s."""
    timed = world.slowness(at="1s", lasts="8s", target_name="timed")
    later = world.slowness(at="6s", lasts="2s", target_name="later")
    until_fired = world.slowness(at="2s")
    never_begun = world.slowness(at="5s", target_name="never begun")

    async def fire(drilling: Drilling) -> None:
        await asyncio.sleep(4.5)
        drilling.runner.end_until_fired()
        for at, is_over in ((8.9, False), (9.1, True)):
            await asyncio.sleep(at - loop_time())
            assert drilling.runner.is_over is is_over
        await asyncio.sleep(15 - loop_time())

    drilling = _run(world, world.drill(timed, later, until_fired, never_begun), fire)
    assert drilling.instants() == [(1.0, 9.0), (2.0, 4.5), (6.0, 8.0)]


def test_a_surge_with_a_duration_lasts_that_long_whatever_the_alerts_do(world: World) -> None:
    drill = world.drill(load={"rate": 1, "surges": [{"rate": 10, "at": "1s", "lasts": "5s"}]})

    async def fire(drilling: Drilling) -> None:
        await asyncio.sleep(2)
        drilling.runner.end_until_fired()
        await asyncio.sleep(8)

    assert _run(world, drill, fire).instants() == [(1.0, 6.0)]


def test_the_end_of_all_faults_also_ends_those_with_a_duration(world: World) -> None:
    assert _run(world, world.drill(world.slowness(at="1s", lasts="8s")), _after(4)).instants() == [(1.0, 4.0)]


def test_the_begin_of_an_undo_is_recorded(world: World) -> None:
    drilling = _run(world, world.drill(world.slowness(at="1s", lasts="2s")), _after(5))
    assert drilling.runner.records[0].undo_began_at == drilling.runner.records[0].injected_at + 2


def test_a_fault_whose_instant_is_after_the_end_is_not_injected(world: World) -> None:
    drilling = _run(world, world.drill(world.slowness(at="8s")), _after(7.5))
    assert (drilling.instants(), world.lines) == ([], [])


def test_the_longest_duration_counts_from_the_entry_in_the_ledger(world: World) -> None:
    """So the drill ends it before the watchdog does, even after a slow injection."""
    fault = world.slowness(at="2s", at_most="5s", inject_seconds=3.0)
    drilling = _run(world, world.drill(fault), _after(20))
    assert world.printed("fault injected") == [5.0]
    assert drilling.instants() == [(2.0, 7.0)]
    (record,) = drilling.runner.records
    assert record.in_force_at is not None
    assert since_start(record.in_force_at) == 5.0


def test_an_injection_longer_than_the_longest_duration_is_undone_at_once(world: World) -> None:
    fault = world.slowness(at_most="5s", inject_seconds=6.0)
    assert _run(world, world.drill(fault), _after(20)).instants() == [(0.0, 6.0)]


def test_a_fault_that_another_process_undid_aborts_the_drill(world: World) -> None:
    async def take_back(drilling: Drilling) -> None:
        await asyncio.sleep(3)
        (entry_id,) = drilling.entries()
        drilling.ledger.lapse(entry_id)
        await asyncio.sleep(5)

    drilling = _run(world, world.drill(world.slowness(lasts="4s")), take_back)
    assert drilling.aborted.startswith("the fault on service was undone by")
    assert drilling.instants() == [(0.0, 4.0)]
    assert drilling.in_force() == world.service.faults_in_force == 0


def _take_back(world: World, seconds: float) -> Callable[[Drilling], Awaitable[None]]:
    async def wait(_: Drilling) -> None:
        await asyncio.sleep(seconds)
        world.service.taken_back = "somebody made it fast"
        await asyncio.sleep(10 - seconds)

    return wait


def test_a_fault_that_somebody_took_back_ends_at_that_instant_and_aborts_the_drill(world: World) -> None:
    drilling = _run(world, world.drill(world.slowness(at="1s", lasts="8s")), _take_back(world, 3.5))
    assert drilling.instants() == [(1.0, 4.0)]
    words = "somebody made it fast; noticed at 2026-09-21T14:13:24Z, 3.0 s after it began"
    assert drilling.runner.records[0].outcome == f"taken back by somebody else: {words}"
    assert drilling.aborted == f"the fault slowness on service was taken back by somebody else: {words}"
    assert world.printed("fault not in force any more") == [4.0]
    assert drilling.in_force() == world.service.faults_in_force == 0


def test_a_fault_is_read_back_once_more_at_its_end(world: World) -> None:
    drilling = _run(world, world.drill(world.slowness(at="1s", lasts="2500ms")), _take_back(world, 3.2))
    assert drilling.instants() == [(1.0, 3.5)]
    assert "noticed at" in drilling.aborted


def test_a_fault_that_is_costly_to_read_back_is_asked_less_often(world: World) -> None:
    fault = world.slowness(at="1s", lasts="8s", look_every_seconds=3.0)
    assert _run(world, world.drill(fault), _take_back(world, 4.5)).instants() == [(1.0, 7.0)]
    assert world.service.looks == [1.0, 4.0, 7.0]


def test_a_fault_that_cannot_tell_lasts_its_time_and_says_so(world: World) -> None:
    world.service.taken_back = None
    drilling = _run(world, world.drill(world.slowness(at="1s", lasts="8s")), _after(10))
    assert (drilling.instants(), drilling.aborted) == ([(1.0, 9.0)], "")
    assert world.service.looks == [1.0]
    assert world.printed("fault cannot be read back: slowness on service: if it ends early, nothing tells") == [1.0]
    assert drilling.runner.records[0].outcome == "cannot be read back"


def test_a_fault_that_cannot_tell_and_repeats_says_so_once(world: World) -> None:
    world.service.taken_back = None
    fault = world.slowness(lasts="2s", repeat={"times": 3, "every": "5s"})
    drilling = _run(world, world.drill(fault), _after(20))
    assert world.printed("fault cannot be read back") == [0.0]
    assert [one.outcome for one in drilling.runner.records] == ["cannot be read back"] * 3


def test_a_fault_that_can_tell_says_nothing_of_that(world: World) -> None:
    drilling = _run(world, world.drill(world.slowness(lasts="2s")), _after(5))
    assert world.printed("fault cannot be read back") == []
    assert drilling.runner.records[0].outcome == ""


def test_a_target_that_became_forbidden_is_not_broken(world: World) -> None:
    world.config["guards"] = {"forbidden": ["serv*"]}
    with pytest.raises(BaseExceptionGroup) as raised:
        _run(world, world.drill(world.slowness(at="1s")), _after(5))
    assert raised.group_contains(FaultNotApplied, match="service")
    assert world.printed("fault injected") == []


def test_a_surge_sends_more_from_its_instant_for_its_duration(world: World) -> None:
    drill = world.drill(load={"rate": 1, "surges": [{"rate": 10, "at": "2s", "lasts": "3s"}]})
    drilling = _run(world, drill, _after(20))
    assert drilling.instants() == [(2.0, 5.0)]
    (surge,) = drilling.runner.records
    assert (surge.kind, surge.target) == ("surge", "10 transactions a second more")
    assert surge.load is not None
    assert [since_start(second.at) for second in surge.load.seconds] == [2, 3, 4]
    assert len(world.service.sent) == surge.load.due == 31
    assert all(2.0 <= at <= 5.0 for at in world.service.sent)
    assert world.printed("surge begins") == [2.0]
    assert world.printed("surge ended") == [5.0]


def test_a_surge_until_the_alerts_fired_ends_with_all_faults(world: World) -> None:
    drill = world.drill(load={"rate": 1, "surges": [{"rate": 10, "at": "1s"}]})
    drilling = _run(world, drill, _after(4.55))
    assert drilling.instants() == [(1.0, 4.55)]
    (surge,) = drilling.runner.records
    assert surge.load is not None
    assert surge.load.due == len(world.service.sent) == 36
    assert [second.due for second in surge.load.seconds] == [10, 10, 10]
