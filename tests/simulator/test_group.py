from __future__ import annotations

from dataclasses import replace

import pytest

from simulator import Absent, Case, Compare, Flags, Gauge, Group, Restart, Rule, Selector, Service, Stretches, Target
from simulator.values import labels_of

ALERT = labels_of(alertname="Deep", job="api", instance="1")


def case(fault: tuple[int, int] = (9000, 60_000), hold: int = 0, **changes: object) -> Case:
    """A gauge that steps, scraped at 0, 1 s, 2 s…, evaluated every 2 s."""
    stretches = Stretches((fault,))
    service = Service((Gauge("depth", 0, 1),), (0,), stretches)
    made = Case(
        kind="gauge",
        begins=0,
        ends=100_000,
        fault=stretches,
        targets=(Target("api", "1", service, interval=1000, phase=0, timeout=1000),),
        rule=Rule("Deep", Compare(Selector("depth"), "==", 1.0), hold),
        group=Group(2000),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def states(case: Case) -> list[tuple[str, int, int]]:
    """Return state, first and last sample of each ALERTS series."""
    found = []
    for labels, samples in case.run().alerts.items():
        instants = [sample.at for sample in samples if sample.value is not None]
        found.append((dict(labels)["alertstate"], instants[0], instants[-1]))
    return sorted(found, key=lambda row: row[1])


def test_an_alert_without_for_is_never_seen_pending() -> None:
    assert states(case()) == [("firing", 10_000, 58_000)]


def test_the_state_changes_in_the_evaluation_that_completes_for() -> None:
    assert states(case(hold=4000)) == [("pending", 10_000, 12_000), ("firing", 14_000, 58_000)]


def test_evaluations_are_at_multiples_of_the_interval_plus_the_offset() -> None:
    truth = case(group=Group(2000, offset=700)).run()
    assert {evaluation.at % 2000 for evaluation in truth.evaluations} == {700}
    assert truth.lives[0].active_at == 10_700


def test_a_sample_in_the_midst_of_its_scrape_is_missed_by_the_engine_and_seen_later() -> None:
    made = case(fault=(10_000, 60_000))
    truth = replace(made, targets=(replace(made.targets[0], duration=5),)).run()
    first = next(evaluation for evaluation in truth.evaluations if evaluation.at == 10_000)
    assert list(first.seen.values()) == [0]
    assert list(first.later.values()) == [1]
    assert (first.held, len(first.held_later)) == (frozenset(), 1)
    assert truth.lives[0].active_at == 12_000


def test_a_lag_lets_the_engine_see_what_was_written_meanwhile() -> None:
    made = case(fault=(10_000, 60_000), group=Group(2000, lag=5))
    truth = replace(made, targets=(replace(made.targets[0], duration=5),)).run()
    assert truth.lives[0].active_at == 10_000


def test_a_query_offset_looks_back_and_dates_the_samples_back() -> None:
    truth = case(group=Group(2000, query_offset=3000)).run()
    assert truth.lives[0].active_at == 12_000
    assert next(iter(truth.alerts.values()))[0].at == 9000


def test_a_failed_evaluation_changes_nothing_and_a_skipped_one_does_not_exist() -> None:
    group = Group(2000, failing=frozenset({12_000}), skipped=frozenset({14_000}))
    truth = case(hold=6000, group=group).run()
    assert [evaluation.at for evaluation in truth.evaluations if evaluation.failed] == [12_000]
    assert 14_000 not in [evaluation.at for evaluation in truth.evaluations]
    assert truth.lives[0].active_at == 10_000
    assert truth.lives[0].fired_at == 16_000
    pending = next(samples for labels, samples in truth.alerts.items() if ("alertstate", "pending") in labels)
    assert [sample.at for sample in pending if sample.value is not None] == [10_000]


def test_a_state_that_ends_is_marked_stale_in_the_next_evaluation() -> None:
    truth = case(hold=4000).run()
    markers = {dict(labels)["alertstate"]: samples[-1] for labels, samples in truth.alerts.items()}
    assert (markers["pending"].at, markers["pending"].value) == (14_000, None)
    assert (markers["firing"].at, markers["firing"].value) == (60_000, None)


def test_for_state_has_the_begin_in_whole_seconds() -> None:
    samples = next(iter(case(group=Group(2000, offset=700)).run().for_state.values()))
    assert {sample.value for sample in samples if sample.value is not None} == {10}


@pytest.mark.parametrize(("hold", "grace", "fired_at"), [(20_000, 600_000, 48_000), (20_000, 20_001, 48_000)])
def test_a_for_below_the_grace_period_begins_again_from_zero_after_a_restart(
    hold: int, grace: int, fired_at: int
) -> None:
    made = case((9000, 90_000), hold, flags=Flags(for_grace_period=grace), restart=Restart(20_000, 26_500))
    assert [(life.active_at, life.fired_at) for life in made.run().lives] == [(10_000, None), (28_000, fired_at)]


def test_a_restart_shifts_what_was_pending_by_the_time_down() -> None:
    """For 20 s, grace 6 s, 8 s pending: 12 s are left after the restart and two evaluations."""
    made = case((9000, 90_000), 20_000, flags=Flags(for_grace_period=6000), restart=Restart(19_000, 25_500))
    lost, restored = made.run().lives
    assert (lost.active_at, lost.fired_at, lost.gone_at) == (10_000, None, None)
    assert (restored.active_at, restored.fired_at) == (10_000 + 28_000 - 18_000, 40_000)


def test_little_left_of_for_becomes_the_grace_period() -> None:
    made = case((9000, 90_000), 20_000, flags=Flags(for_grace_period=6000), restart=Restart(29_000, 31_500))
    assert made.run().lives[1].fired_at == 34_000 + 6000


def test_an_alert_that_fired_before_a_restart_fires_after_it_is_restored() -> None:
    made = case((9000, 90_000), 20_000, flags=Flags(for_grace_period=6000), restart=Restart(40_500, 43_500))
    lost, restored = made.run().lives
    assert lost.fired_at == 30_000
    assert (restored.active_at, restored.fired_at) == (10_000, 48_000)
    assert (
        min(sample.at for samples in made.run().alerts.values() for sample in samples if sample.at > 41_000) == 48_000
    )


def test_an_outage_longer_than_the_tolerance_is_not_restored() -> None:
    flags = Flags(for_grace_period=6000, for_outage_tolerance=5000)
    made = case((9000, 90_000), 20_000, flags=flags, restart=Restart(19_000, 25_500))
    assert made.run().lives[1].fired_at == 26_000 + 20_000


def test_a_case_scraped_before_its_start_has_all_samples() -> None:
    rule = Rule("Gone", Absent(Selector("depth")))
    made = case(group=Group(2000), rule=rule)
    late = replace(made, targets=(replace(made.targets[0], phase=900),))
    assert [life.active_at for life in late.run().lives] == [0]
    assert replace(late, begins=20_000, scraped_since=0).run().lives == ()
