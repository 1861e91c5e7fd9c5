from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from alertdrill.probes.load.arrivals import ConstantArrivals
from alertdrill.probes.load.poisson import PoissonArrivals
from alertdrill.probes.load.ramping import RampingArrivals, Stage
from alertdrill.probes.load.settings import LoadSettings

STAGES = [{"duration": "2m", "target": 100}, {"duration": "1m30s", "target": 0}]


def read(**load: Any) -> LoadSettings:
    return LoadSettings.model_validate(load)


def test_a_rate_is_constant_and_without_a_duration_it_never_ends() -> None:
    assert read(rate=100).arrivals() == ConstantArrivals(100.0)
    assert read(rate=2000, duration="20s").arrivals() == ConstantArrivals(2000.0, 20.0)


def test_stages_ramp_from_the_start_rate() -> None:
    assert read(stages=STAGES).arrivals() == RampingArrivals(0.0, (Stage(120.0, 100.0), Stage(90.0, 0.0)))
    assert read(start_rate=5, stages=STAGES[:1]).arrivals() == RampingArrivals(5.0, (Stage(120.0, 100.0),))


def test_poisson_has_the_same_rate_at_random_times() -> None:
    load = read(rate=100, duration="1m", poisson=True, seed=7)
    assert load.arrivals() == PoissonArrivals(ConstantArrivals(100.0, 60.0), 7)


def test_a_time_scale_divides_durations_and_keeps_rates() -> None:
    assert read(rate=100, duration="1m").scaled(30).arrivals() == ConstantArrivals(100.0, 2.0)
    assert read(rate=100).scaled(30).arrivals() == ConstantArrivals(100.0)
    scaled = read(stages=STAGES, graceful_stop="10s").scaled(30)
    assert scaled.arrivals() == RampingArrivals(0.0, (Stage(4.0, 100.0), Stage(3.0, 0.0)))
    assert scaled.graceful_stop == timedelta(seconds=10)


def test_a_dump_can_be_read_again() -> None:
    for load in (read(rate=100, duration="1m"), read(start_rate=1, stages=STAGES, poisson=True)):
        assert read(**load.model_dump(mode="json", exclude_unset=True)) == load


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        ({}, "has no rate and no stages, expected rate: 100 or stages: "),
        ({"duration": "20s"}, "has no rate and no stages"),
        ({"stages": []}, "has no rate and no stages"),
        ({"rate": 1, "stages": STAGES}, "has both rate and stages, expected rate (constant) or stages (ramping)"),
        ({"duration": "20s", "stages": STAGES}, "has both duration and stages"),
        ({"rate": 1, "start_rate": 0}, "has both rate and start_rate"),
        ({"stages": [{"duration": "2m", "target": 0}]}, "has stages in which nothing is sent"),
        ({"stages": [{"duration": "0", "target": 9}]}, "has stages in which nothing is sent"),
        ({"rate": 0}, "rate\n  Input should be greater than 0"),
        ({"rate": 10**6}, "rate\n  Input should be less than or equal to 100000"),
        ({"rate": 1, "duration": "0"}, "duration\n  Input should be greater than "),
        ({"rate": 1, "duration": 20}, "20 has no unit, expected a duration such as"),
        (
            {"stages": [{"duration": "2m", "target": -1}]},
            "stages.0.target\n  Input should be greater than or equal to 0",
        ),
        ({"stages": [{"duration": "2m"}]}, "stages.0.target\n  Field required"),
        ({"rate": 1, "max_in_flight": 0}, "max_in_flight\n  Input should be greater than 0"),
    ],
)
def test_an_inconsistent_load_is_refused_with_the_reason(load: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(**load)
    assert expected in str(refused.value)
