"""Whole drills in virtual time, to the exact second: on their own site, and one after another on one site."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from alertdrill.agent.config.drill import DrillLoad
from alertdrill.agent.drilling.conductor import Conductor
from alertdrill.agent.recording.load import load_record
from alertdrill.agent.recording.recording import Recording
from alertdrill.chaos.errors import FaultNotApplied
from tests.agent.drilling.virtual_site import EPOCH, RecordedSite, World, in_virtual_time, instants, since_start


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def _run(world: World, site: RecordedSite, **settings: object) -> Recording:
    drill = world.drill(world.slowness(at="2s"), **settings)
    return await Conductor(site, drill, world.tell).run()


def _on_a_fresh_site(world: World, **settings: object) -> tuple[Recording, RecordedSite]:
    async def main() -> tuple[Recording, RecordedSite]:
        async with world.site() as site:
            return await _run(world, site, **settings), site

    return in_virtual_time(main)


def test_each_step_of_a_drill_has_its_exact_instant(world: World) -> None:
    recording, _ = _on_a_fresh_site(world)
    assert instants(recording) == {
        "baseline": [(0.0, 10.0)],
        # Broken at 12, evaluated at 12.25, firing after a `for` of 5 s, notified after 2 s, looked at every half second.
        "fault": [(10.0, 19.5)],
        "service": [(12.0, 19.5)],
        # Over at the evaluation at 20.25, seen at 20.5; then two intervals more.
        "recovery": [(19.5, 22.5)],
    }
    assert world.printed("alert Slow: pending") == [12.5]
    assert world.printed("alert Slow: firing") == [17.5]
    assert world.printed("alert Slow: inactive") == [20.5]
    (notified,) = recording.notifications
    assert (since_start(notified.received_at), notified.status, notified.receiver) == (19.25, "firing", "pager")
    assert (since_start(recording.started_at), since_start(recording.ended_at)) == (0.0, 22.5)


def test_on_a_fresh_site_the_recording_has_the_whole_load(world: World) -> None:
    recording, site = _on_a_fresh_site(world)
    (load,) = site.loads
    assert recording.load == load_record(load.tally, load.started_at, [])
    assert recording.load.due == len(world.service.sent) == 451
    assert recording.load.target_rate == 20
    assert [since_start(second.at) for second in recording.load.seconds] == list(range(22))


def test_two_drills_under_one_long_load_record_only_their_own_figures(world: World) -> None:
    """Nothing is lost between them, and nothing counts twice."""

    async def main() -> tuple[list[Recording], RecordedSite]:
        async with world.site() as site, site.loaded(DrillLoad(rate=20)):
            await asyncio.sleep(7.305)
            first = await _run(world, site)
            await asyncio.sleep(10)
            second = await _run(world, site)
            await asyncio.sleep(3)
        return [first, second], site

    recordings, site = in_virtual_time(main)
    (load,) = site.loads
    bounds = [(since_start(one.started_at), since_start(one.ended_at)) for one in recordings]
    assert bounds == [(7.305, 30.305), (40.305, 63.305)]
    for recording, (start, end) in zip(recordings, bounds, strict=True):
        sent, ended = world.service.counted(start, end)
        assert recording.load.due == sent
        assert recording.load.succeeded + recording.load.failed == ended
        whole = [since_start(second.at) for second in recording.load.seconds]
        assert whole == list(range(int(start) + 1, int(end)))
        assert {second.due for second in recording.load.seconds} == {20}
    # The metrics show the load itself, which goes on.
    assert load.tally.due == len(world.service.sent)


def test_a_second_drill_on_a_site_records_what_it_would_alone(world: World, tmp_path: Path) -> None:
    async def main() -> list[Recording]:
        async with world.site() as site, site.loaded(DrillLoad(rate=20)):
            first = await _run(world, site)
            await asyncio.sleep(40 - asyncio.get_running_loop().time())
            return [first, await _run(world, site)]

    def shape(recording: Recording, start: float) -> dict[str, object]:
        return {
            "instants": {
                name: [(round(a - start, 4), round(b - start, 4)) for a, b in pairs]
                for name, pairs in instants(recording).items()
            },
            "notified": [(round(one.received_at - EPOCH - start, 4), one.status) for one in recording.notifications],
            # The second in which a drill begins is whole only when the load begins with it.
            "seconds": [(one.due, one.succeeded, one.failed, one.in_flight) for one in recording.load.seconds[-21:]],
            "deliveries": recording.alertmanager.deliveries,
            "reasons": recording.load.reasons,
        }

    first, second = in_virtual_time(main)
    alone, _ = _on_a_fresh_site(World(tmp_path / "alone"))
    assert shape(alone, 0.0) == shape(first, 0.0) == shape(second, 40.0)


def test_a_notification_between_two_drills_is_in_neither_recording(world: World) -> None:
    async def main() -> tuple[Recording, Recording]:
        async with world.site() as site, site.loaded(DrillLoad(rate=20)):
            first = await _run(world, site)
            await asyncio.sleep(5)
            return first, await _run(world, site)

    first, second = in_virtual_time(main)
    statuses = [[one.status for one in recording.notifications] for recording in (first, second)]
    assert statuses == [["firing"], ["firing"]]
    assert [one.status for call in world.alertmanager.engine.notifications for one in call.alerts] == [
        "firing",
        "resolved",
        "firing",
    ]


def test_other_alerts_are_silenced_from_the_drill_s_start_to_its_end(world: World) -> None:
    recording, _ = _on_a_fresh_site(world, silence_others=True)
    ((begun, ended),) = world.alertmanager.silenced
    assert (begun, ended) == (0.0, recording.ended_at)


def test_nothing_is_broken_while_the_alert_fires_already(world: World) -> None:
    world.service.faults_in_force = 1
    recording, _ = _on_a_fresh_site(world)
    assert recording.aborted == "nothing was broken, because Slow fired already"
    assert instants(recording) == {"baseline": [(0.0, 10.0)]}


def test_a_drill_whose_alert_does_not_fire_ends_after_its_longest_time(world: World) -> None:
    async def main() -> Recording:
        async with world.site() as site:
            return await Conductor(site, world.drill(), world.tell).run()

    assert instants(in_virtual_time(main)) == {"baseline": [(0.0, 10.0)], "fault": [(10.0, 40.0)]}


def test_a_forbidden_target_is_refused_before_the_load_begins(world: World) -> None:
    world.config["guards"] = {"forbidden": ["serv*"]}
    with pytest.raises(FaultNotApplied, match="service"):
        _on_a_fresh_site(world)
    assert world.service.sent == []
