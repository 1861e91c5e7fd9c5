"""Whole drills in virtual time, to the exact second: on their own site, and one after another on one site."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

import pytest

from alertdrill.agent.config.drill import DrillLoad
from alertdrill.agent.drilling.conductor import Conductor
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.recording.load import load_record
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import MachineRecord
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import VerdictOutcome
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Fault
from alertdrill.chaos.http.call import Call
from alertdrill.chaos.http.fault import HttpInjection
from alertdrill.chaos.safety.entry import Entry
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.safety.owner import Owner
from tests.agent.drilling.virtual_site import EPOCH, RecordedSite, Slowness, World, instants, since_start
from tests.support.virtual_time import in_virtual_time, loop_time


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
    # The service gives each transaction up with a timeout while it is slow.
    assert sum(second.unanswered or 0 for second in recording.load.seconds) == recording.load.failed > 0


def test_the_recording_says_where_the_load_went_and_whether_prometheus_is_here(world: World) -> None:
    recording, _ = _on_a_fresh_site(world)
    assert recording.probed == ["127.0.0.1:1"]
    assert recording.machine == MachineRecord(has_prometheus=True)


@pytest.mark.parametrize(("allow", "watched"), [([], ["Slow"]), (["Slow"], [])])
def test_the_rule_of_an_alert_that_is_not_allowed_is_evaluated_again_too(
    world: World, allow: list[str], watched: list[str]
) -> None:
    recording, _ = _on_a_fresh_site(world, expect=[], allow=allow, observe="15s")
    assert {one.labels["alertname"] for one in recording.alerts} == {"Slow"}
    assert [one.alert for one in recording.watched] == watched


@pytest.mark.parametrize("status", ["resolved", "firing"])
def test_a_notification_of_an_earlier_firing_ends_no_fault(world: World, status: str) -> None:
    """Alertmanager repeats what it could not deliver while no drill ran."""
    earlier = "2026-01-01T00:00:00Z"
    alert = {"status": status, "labels": {"alertname": "Slow"}, "startsAt": earlier, "endsAt": earlier}

    async def main() -> Recording:
        async with world.site() as site:
            asyncio.get_running_loop().call_later(13, site.inbox.receive, "pager", {"alerts": [alert]})
            return await _run(world, site)

    recording = in_virtual_time(main)
    assert instants(recording)["fault"] == [(10.0, 19.5)]
    assert len(recording.notifications) == 2


def test_the_watchdog_is_told_every_fault_of_the_drill(world: World) -> None:
    given: list[list[str]] = []

    def watchdog(_: object, __: object, faults: Iterable[Fault]) -> AbstractAsyncContextManager[None]:
        given.append([one.target for one in faults])
        return nullcontext()

    async def main() -> None:
        async with world.site() as site:
            site.watchdog = watchdog
            faults = [world.slowness(), Slowness(target_name="shop").on(world.service)]
            await Conductor(site, world.drill(*faults), world.tell).run()

    in_virtual_time(main)
    assert given == [["service", "shop"]]


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
            await asyncio.sleep(40 - loop_time())
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
    assert recording.aborted == "nothing was broken, because Slow was active in the baseline already"
    # It is pending at the first evaluation, at 0.25, and seen at the next look: the rest of the baseline cannot help.
    assert instants(recording) == {"baseline": [(0.0, 0.5)]}
    (verdict,) = judge(recording).verdicts
    assert verdict.outcome is VerdictOutcome.INCONCLUSIVE


def test_an_alert_that_fires_early_in_the_baseline_ends_it(world: World) -> None:
    """The verdicts would be inconclusive in any case, so nothing is broken for them."""
    world.prometheus.others = {"DiskFull": (2.0, 4.0)}
    recording, _ = _on_a_fresh_site(world)
    assert recording.aborted == "nothing was broken, because DiskFull fired in the baseline"
    assert instants(recording) == {"baseline": [(0.0, 2.5)]}
    assert "the baseline was not quiet: DiskFull fired before the fault" in judge(recording).undermined_by


def test_an_alert_that_the_drill_allows_may_fire_in_its_baseline(world: World) -> None:
    world.prometheus.others = {"DiskFull": (2.0, 4.0)}
    recording, _ = _on_a_fresh_site(world, allow=["DiskFull"])
    assert recording.aborted == ""


def test_an_alert_that_was_over_before_the_drill_does_not_end_its_baseline(world: World) -> None:
    """Prometheus shows until its next evaluation what the one before the drill found."""
    world.prometheus.others = {"DiskFull": (-5.0, 0.0)}

    async def main() -> Recording:
        async with world.site() as site:
            world.prometheus.evaluated_before(-0.5)
            return await _run(world, site)

    assert in_virtual_time(main).aborted == ""


def test_a_drill_whose_alert_does_not_fire_ends_after_its_longest_time(world: World) -> None:
    async def main() -> Recording:
        async with world.site() as site:
            return await Conductor(site, world.drill(), world.tell).run()

    assert instants(in_virtual_time(main)) == {"baseline": [(0.0, 10.0)], "fault": [(10.0, 40.0)]}


def _broken_for(world: World, lasts: str, **settings: object) -> Recording:
    async def main() -> Recording:
        async with world.site() as site:
            drill = world.drill(world.slowness(at="2s", lasts=lasts), **settings)
            return await Conductor(site, drill, world.tell).run()

    return in_virtual_time(main)


def test_a_fault_with_a_duration_lasts_on_after_the_alert_fired(world: World) -> None:
    """The alert fires at 17.25 s and its receiver is notified at 19.25 s."""
    assert instants(_broken_for(world, "20s")) == {
        "baseline": [(0.0, 10.0)],
        # The end of the fault is seen half a second later, when the alert is over already.
        "fault": [(10.0, 32.5)],
        "service": [(12.0, 32.0)],
        "recovery": [(32.5, 34.5)],
    }


def test_a_fault_may_last_longer_than_the_drill_waits_for_its_alert(world: World) -> None:
    recording = _broken_for(world, "20s", expect=[{"alert": "Slow", "within": "3s", "receiver": "pager"}])
    assert instants(recording)["service"] == [(12.0, 32.0)]
    assert recording.drill.broken_for.total_seconds() == 22
    assert recording.drill.longest.total_seconds() == 10 + 22 + 3


def test_a_drill_that_is_stopped_ends_also_a_fault_with_a_duration(world: World) -> None:
    async def main() -> Recording:
        async with world.site() as site:
            conductor = Conductor(site, world.drill(world.slowness(at="2s", lasts="20s")), world.tell)
            running = asyncio.ensure_future(conductor.run())
            await asyncio.sleep(25)
            site.stop_drill("enough")
            return await running

    assert instants(in_virtual_time(main))["service"] == [(12.0, 25.0)]


@pytest.mark.parametrize(
    ("receivers", "problem"),
    [
        (
            "[{name: pager, webhook_configs: [{url: 'http://127.0.0.1:1/elsewhere'}]}]",
            "the receiver pager has no webhook to this agent, so nobody could see whether it is notified: add `- url:",
        ),
        ("[{name: pagers}]", "Alertmanager has no receiver 'pager', did you mean pagers?"),
    ],
)
def test_a_receiver_that_does_not_call_is_found_before_anything_is_broken(
    world: World, receivers: str, problem: str
) -> None:
    world.alertmanager.config = f"route: {{receiver: pager}}\nreceivers: {receivers}"
    with pytest.raises(ConfigError, match=re.escape(f"drill slow-service: {problem}")):
        _on_a_fresh_site(world)
    assert world.service.sent == []


def test_a_receiver_behind_a_relay_needs_no_webhook_to_this_agent(world: World) -> None:
    world.alertmanager.config = "route: {receiver: pager}\nreceivers: [{name: pager}]"
    world.config["relayed_receivers"] = ["page*"]
    recording, _ = _on_a_fresh_site(world)
    assert recording.calls is not None
    assert recording.calls.callers == []


def test_the_receivers_that_call_this_agent_are_recorded(world: World) -> None:
    recording, _ = _on_a_fresh_site(world)
    assert recording.calls is not None
    assert recording.calls.callers == ["pager"]


def _leave_a_hopeless_entry(world: World, server: str) -> None:
    """Leave the fault of a dead process: its undo needs a secret that is gone."""
    call = Call(url="http://elsewhere.invalid/", headers_env={"Authorization": "ALERTDRILL_TEST_NO_SUCH_VARIABLE"})
    here = Owner.this_process()
    entry = Entry(
        fault="http",
        target=server,
        drill="slow",
        owner=Owner(here.pid, here.started - 1, here.boot),
        written_at=0,
        expires_at=1,
        injection=HttpInjection(words=server, begin=call, end=call),
        servers=(server,),
    )
    Ledger(world.folder / "ledger").write("alertdrill-1", entry)


def test_a_hopeless_entry_of_another_server_does_not_stop_a_drill(world: World) -> None:
    _leave_a_hopeless_entry(world, "elsewhere.invalid:80")
    recording, _ = _on_a_fresh_site(world)
    assert instants(recording).keys() == {"baseline", "fault", "service", "recovery"}
    assert world.printed("alertdrill-1 is not healed: the environment variable")
    assert world.printed("what you can do: ")
    assert list(Ledger(world.folder / "ledger").read().entries) == ["alertdrill-1"]


def test_a_hopeless_entry_of_the_same_target_stops_a_drill_before_its_load(world: World) -> None:
    _leave_a_hopeless_entry(world, "slowness of service")
    with pytest.raises(FaultNotHealed, match="alertdrill-1 is not healed: "):
        _on_a_fresh_site(world)
    assert world.service.sent == []


def test_a_forbidden_target_is_refused_before_the_load_begins(world: World) -> None:
    world.config["guards"] = {"forbidden": ["serv*"]}
    with pytest.raises(FaultNotApplied, match="service"):
        _on_a_fresh_site(world)
    assert world.service.sent == []


def test_a_drill_runs_without_servers_that_it_does_not_use(world: World) -> None:
    world.config |= {"alertmanager": None, "toxiproxy": None}
    recording, _ = _on_a_fresh_site(world, expect=[{"alert": "Slow", "within": "30s"}])
    assert recording.outages == []
    assert (recording.alertmanager.version, recording.alertmanager.looks) == ("none", 0)
    assert judge(recording).undermined_by == ()
    assert instants(recording)["fault"] == [(10.0, 17.5)]


def test_a_missing_server_is_found_before_anything_is_broken(world: World) -> None:
    world.config["alertmanager"] = None
    with pytest.raises(ConfigError, match=r"names a receiver, .* add the line `alertmanager: "):
        _on_a_fresh_site(world)
    assert world.service.sent == []


def test_an_alert_that_always_fires_is_listed_once_for_all_drills(world: World) -> None:
    """Neither the start of a drill nor its verdicts mind it, and a drill need not allow it again."""
    world.prometheus.others = {"Watchdog": (0.0, 1000.0)}
    world.config["guards"] = {"ignore_alerts": ["Watch*"]}
    recording, _ = _on_a_fresh_site(world)
    judgement = judge(recording)
    assert recording.aborted == ""
    assert recording.ignored == ["Watchdog"]
    assert judgement.undermined_by == ()
    assert [one.alert for one in judgement.verdicts] == ["Slow"]
    assert judgement.allowed == ("Watchdog",)
