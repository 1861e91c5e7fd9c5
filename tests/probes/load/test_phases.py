"""Phases are converted to stages, and each is counted in the full seconds of its hold only."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from alertdrill.probes.load.phases import PhaseSettings, held_seconds, stages
from alertdrill.probes.load.second_counter import Samples, SecondCounts
from alertdrill.probes.load.settings import LoadSettings
from alertdrill.probes.load.tally import PhasedTally

PHASES: TypeAdapter[tuple[PhaseSettings, ...]] = TypeAdapter(tuple[PhaseSettings, ...])


def phases(*values: dict[str, Any]) -> tuple[PhaseSettings, ...]:
    return PHASES.validate_python([{"phase": f"phase {index}"} | value for index, value in enumerate(values)])


def spelled(*values: dict[str, Any]) -> list[tuple[float, float]]:
    return [(stage.duration.total_seconds(), stage.target) for stage in stages(phases(*values))]


def test_a_phase_is_a_jump_a_rise_and_a_hold() -> None:
    assert spelled({"from": 50, "to": 100, "ramp": "1m", "hold": "2m"}) == [(0, 50), (60, 100), (120, 100)]


def test_a_phase_begins_at_the_rate_of_the_phase_before() -> None:
    """Without `from`, and with a `from` of the same rate."""
    first, then = {"to": 100, "ramp": "1m", "hold": "2m"}, {"to": 300, "ramp": "3m", "hold": "4m"}
    expected = [(60, 100), (120, 100), (180, 300), (240, 300)]
    assert spelled(first, then) == spelled(first, {"from": 100} | then) == expected


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ([{"to": 1, "ramp": "10s", "hold": "3s"}], [range(10, 13)]),
        ([{"to": 1, "hold": "3s"}, {"to": 2, "ramp": "2s", "hold": "1s"}], [range(3), range(5, 6)]),
        ([{"to": 1, "ramp": "1500ms", "hold": "2s"}], [range(2, 3)]),
        ([{"to": 1, "ramp": "1200ms", "hold": "500ms"}], [range(2, 1)]),
        (
            [{"to": 1, "ramp": "100ms", "hold": "200ms"}, {"to": 2, "ramp": "700ms", "hold": "1s"}],
            [range(1, 0), range(1, 2)],
        ),
    ],
    ids=["whole", "two", "only whole seconds count", "none lies inside", "a sum of floats misses none"],
)
def test_a_hold_has_the_full_seconds_inside_it(values: list[dict[str, Any]], seconds: list[range]) -> None:
    assert held_seconds(phases(*values)) == seconds


def test_phases_have_the_arrivals_of_their_stages() -> None:
    walked = {"phases": [{"phase": "a", "from": 50, "to": 100, "ramp": "1m", "hold": "2m"}]}
    staged = {"start_rate": 50, "stages": [{"duration": "1m", "target": 100}, {"duration": "2m", "target": 100}]}
    one, other = (LoadSettings.model_validate(values).arrivals() for values in (walked, staged))
    assert one.total == other.total
    assert one.due_times(0, 100) == other.due_times(0, 100)


def test_a_time_scale_divides_durations_and_not_rates() -> None:
    settings = LoadSettings.model_validate({"phases": [{"phase": "a", "to": 100, "ramp": "1m", "hold": "2m"}]})
    (scaled,) = settings.scaled(60).phases
    assert (scaled.to, scaled.ramp.total_seconds(), scaled.hold.total_seconds()) == (100, 1, 2)


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"rate": 5}, "has both phases and rate, expected phases alone"),
        ({"stages": [{"duration": "1s", "target": 5}]}, "has both phases and stages"),
        ({"start_rate": 5}, "has both phases and start_rate"),
        ({"duration": "5s"}, "has both phases and duration"),
    ],
)
def test_phases_exclude_rate_and_stages(extra: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        LoadSettings.model_validate({"phases": [{"phase": "a", "to": 1, "hold": "1s"}]} | extra)


def test_two_phases_with_the_same_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="has two phases named 'a', expected a name of its own for each"):
        LoadSettings.model_validate({"phases": [{"phase": "a", "to": 1, "hold": "1s"}] * 2})


def second(offset: int, *, is_whole: bool = True) -> SecondCounts:
    counts = SecondCounts(offset, is_whole=is_whole, due=10, ended=10)
    counts.latencies = Samples(sum_seconds=0.1 * 10 * (offset + 1))
    counts.latencies.counts[100_000 * (offset + 1)] = 10
    return counts


def test_the_seconds_of_each_hold_are_counted_separately() -> None:
    tally = PhasedTally([range(1, 3), range(4, 6)])
    for offset in range(5):
        tally.add(second(offset))
    tally.add(second(5, is_whole=False))
    first, then = tally.parts_held
    assert (tally.due, first.due, then.due) == (60, 20, 10)
    assert first.latencies.percentile_seconds(100) == pytest.approx(0.3, rel=1e-3)
    assert then.latencies.percentile_seconds(100) == pytest.approx(0.5, rel=1e-3)
    assert tally.folded_seconds == 6
