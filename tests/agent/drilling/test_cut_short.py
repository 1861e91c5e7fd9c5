"""A drill that does not come to its end has a recording of what there was, which says so and is inconclusive.

Whole drills in virtual time: the baseline lasts until 10 s, the fault is injected at 12 s and undone at 19.5 s, and the
recovery ends at 22.5 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from alertdrill.agent.drilling.conductor import Conductor
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.recording.recording import Recording, read_recording, write_recording
from alertdrill.agent.verdict.judge import judge
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from tests.agent.drilling.virtual_site import World, instants
from tests.support.virtual_time import in_virtual_time


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class Cut:
    """How a drill ended: its recording and its error."""

    def __init__(self, recording: Recording | None, error: BaseException | None) -> None:
        self.recording = recording
        self.error = error

    @property
    def whole(self) -> Recording:
        assert self.recording is not None
        return self.recording


def _run(world: World, disturb: Callable[[asyncio.Task[Any]], Awaitable[None]], **fault: Any) -> Cut:
    """Run a drill beside a disturbance."""

    async def main() -> Cut:
        async with world.site() as site:
            conductor = Conductor(site, world.drill(world.slowness(at="2s", **fault)), world.tell)
            running = asyncio.ensure_future(conductor.run())
            disturbing = asyncio.ensure_future(disturb(running))
            await asyncio.wait([running])
            disturbing.cancel()
            error = asyncio.CancelledError() if running.cancelled() else running.exception()
            return Cut(conductor.recording, error)

    return in_virtual_time(main)


def _require_inconclusive(recording: Recording, folder: Path) -> None:
    """Write it, read it again, and judge it; without the fault of the tests, which no file can have."""
    drill = recording.drill.model_copy(update={"faults": []})
    recording = recording.model_copy(update={"drill": drill})
    write_recording(recording, folder / "cut.recording.json.gz")
    again = read_recording(folder / "cut.recording.json.gz")
    assert again == recording
    judgement = judge(again)
    assert judgement.exit_code == 3
    assert [str(one.outcome) for one in judgement.verdicts] == ["inconclusive"]
    assert recording.aborted in judgement.verdicts[0].reason


async def _nothing(_: asyncio.Task[Any]) -> None:
    pass


@pytest.mark.parametrize(
    ("at", "phase", "phases", "fault"),
    [
        (0.001, "baseline", {"baseline": [(0.0, 0.001)]}, None),
        (5.0, "baseline", {"baseline": [(0.0, 5.0)]}, None),
        (11.0, "fault", {"baseline": [(0.0, 10.0)], "fault": [(10.0, 11.0)]}, None),
        (15.1, "fault", {"baseline": [(0.0, 10.0)], "fault": [(10.0, 15.1)]}, (12.0, 15.1)),
        (
            21.1,
            "recovery",
            {"baseline": [(0.0, 10.0)], "fault": [(10.0, 19.5)], "recovery": [(19.5, 21.1)]},
            (12.0, 19.5),
        ),
    ],
)
@pytest.mark.parametrize("times", [1, 2])
def test_an_interruption_in_any_phase_is_recorded(  # noqa: PLR0913, PLR0917 - a row of the table
    world: World,
    tmp_path: Path,
    at: float,
    phase: str,
    phases: dict[str, Any],
    fault: tuple[float, float] | None,
    times: int,
) -> None:
    """Also when it is interrupted twice."""

    async def interrupt(running: asyncio.Task[Any]) -> None:
        await asyncio.sleep(at)
        for _ in range(times):
            running.cancel()
            await asyncio.sleep(0)

    cut = _run(world, interrupt)
    assert isinstance(cut.error, asyncio.CancelledError)
    recording = cut.whole
    assert recording.aborted.startswith(f"it was interrupted in the {phase} phase")
    found = instants(recording)
    service = found.pop("service", [])
    assert found == phases
    assert service == ([] if fault is None else [fault])
    assert recording.ended_at == pytest.approx(recording.started_at + at, abs=0.001)
    assert recording.load.due == len(world.service.sent)
    assert world.service.faults_in_force == 0
    _require_inconclusive(recording, tmp_path)


def test_an_interrupted_drill_keeps_what_the_servers_saw(world: World) -> None:
    async def interrupt(running: asyncio.Task[Any]) -> None:
        await asyncio.sleep(19.4)
        running.cancel()

    recording = _run(world, interrupt).whole
    assert {one.state for one in recording.alerts} == {"pending", "firing"}
    assert [one.receiver for one in recording.notifications] == ["pager"]
    assert recording.aborted == "it was interrupted in the fault phase"


def test_an_interruption_before_the_load_leaves_no_recording(world: World) -> None:
    async def interrupt(running: asyncio.Task[Any]) -> None:
        running.cancel()

    cut = _run(world, interrupt)
    assert isinstance(cut.error, asyncio.CancelledError)
    assert cut.recording is None


def test_servers_that_hang_do_not_hold_up_an_interruption(world: World, tmp_path: Path) -> None:
    """What Prometheus stored is then missing, and the recording says so."""

    async def interrupt(running: asyncio.Task[Any]) -> None:
        await asyncio.sleep(15)
        world.prometheus.instant = _hang  # type: ignore[method-assign, assignment]
        running.cancel()

    cut = _run(world, interrupt)
    recording = cut.whole
    missing = "it was interrupted in the fault phase; what Prometheus stored was not fetched"
    assert recording.aborted == missing
    assert instants(recording)["service"] == [(12.0, 15.0)]
    _require_inconclusive(recording, tmp_path)


async def _hang(*_: Any, **__: Any) -> Any:
    await asyncio.sleep(10_000)


def test_an_interruption_while_the_recording_is_made_leaves_one(world: World, tmp_path: Path) -> None:
    async def interrupt(running: asyncio.Task[Any]) -> None:
        await asyncio.sleep(20)
        world.prometheus.instant = _hang  # type: ignore[method-assign, assignment]
        await asyncio.sleep(30)
        running.cancel()

    cut = _run(world, interrupt)
    assert isinstance(cut.error, asyncio.CancelledError)
    recording = cut.whole
    assert recording.aborted == (
        "it was interrupted while the recording was made; what Prometheus stored was not fetched"
    )
    assert set(instants(recording)) == {"baseline", "fault", "recovery", "service"}
    _require_inconclusive(recording, tmp_path)


def test_a_fault_that_cannot_be_undone_is_recorded(world: World, tmp_path: Path) -> None:
    cut = _run(world, _nothing, undo_fails=True)
    assert isinstance(cut.error, BaseExceptionGroup)
    assert cut.error.subgroup(FaultNotHealed) is not None
    recording = cut.whole
    assert recording.aborted.startswith("a fault could not be undone (")
    assert "the service is away" in recording.aborted
    (fault,) = recording.faults
    assert fault.outcome.startswith("not undone: ")
    assert "the service is away" in fault.outcome
    assert world.printed("fault NOT healed: slowness on service")
    assert world.printed("what you can do: wait until the target is back, or repair it, and run `alertdrill heal`")
    assert any(line.endswith(' --because "…"') for _, line in world.lines)
    _require_inconclusive(recording, tmp_path)


def test_a_fault_that_cannot_be_injected_is_recorded(world: World, tmp_path: Path) -> None:
    cut = _run(world, _nothing, inject_fails=True)
    assert isinstance(cut.error, BaseExceptionGroup)
    assert cut.error.subgroup(FaultNotApplied) is not None
    recording = cut.whole
    assert recording.aborted == "a fault could not be injected (the service is away) in the fault phase"
    assert recording.aborted_by == ""
    assert recording.faults == []
    _require_inconclusive(recording, tmp_path)


def test_a_fault_that_is_not_injected_in_time_is_recorded_as_that(world: World, tmp_path: Path) -> None:
    cut = _run(world, _nothing, inject_fails="in time")
    assert cut.whole.aborted == "a fault could not be injected (the service does not answer) in the fault phase"
    assert cut.whole.aborted_by == "timeout"
    _require_inconclusive(cut.whole, tmp_path)


def test_a_fault_that_is_injected_in_part_and_undone_is_recorded(world: World, tmp_path: Path) -> None:
    cut = _run(world, _nothing, inject_fails="in part")
    assert isinstance(cut.error, BaseExceptionGroup)
    assert cut.error.subgroup(FaultNotApplied) is not None
    recording = cut.whole
    told = "the service is away; undone"
    assert recording.aborted == f"a fault could not be injected ({told}) in the fault phase"
    (fault,) = recording.faults
    assert fault.outcome == told
    assert fault.injected_at <= fault.in_force_at <= fault.healed_at
    assert world.printed(f"fault healed: slowness on service, {told}")
    _require_inconclusive(recording, tmp_path)


def test_a_bug_is_recorded_and_raised(world: World, tmp_path: Path) -> None:
    async def break_it(_: asyncio.Task[Any]) -> None:
        await asyncio.sleep(15)
        world.prometheus.rule_groups = _fail  # type: ignore[method-assign, assignment]

    cut = _run(world, break_it)
    assert isinstance(cut.error, BaseExceptionGroup)
    assert cut.error.subgroup(KeyError) is not None
    assert cut.whole.aborted.startswith("alertdrill failed (KeyError: 'nothing') in the fault phase")
    assert world.service.faults_in_force == 0
    _require_inconclusive(cut.whole, tmp_path)


async def _fail() -> Any:
    raise KeyError("nothing")


def test_a_server_that_is_away_at_the_end_is_an_outage_as_before(world: World) -> None:
    async def away(_: asyncio.Task[Any]) -> None:
        await asyncio.sleep(20)
        world.prometheus.instant = _unavailable  # type: ignore[method-assign, assignment]

    cut = _run(world, away)
    assert cut.error is None
    assert [one.server for one in cut.whole.outages] == ["Prometheus"]
    assert cut.whole.aborted == ""


async def _unavailable(*_: Any, **__: Any) -> Any:
    raise ServiceUnavailable("Prometheus does not answer")
