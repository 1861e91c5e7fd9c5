from __future__ import annotations

from simulator import Counters, Gauge, Latencies, Service, Stretches
from simulator.values import series_of

FAULT = Stretches(((10_000, 20_000), (25_000, 26_000)))
ERRORS = series_of("errors_total", reason="timeout")


def test_a_gauge_steps_with_the_first_millisecond_of_each_stretch_and_back_with_the_first_after_it() -> None:
    gauge = Service((Gauge("depth", 1, 7),), (0,), FAULT)
    instants = (9999, 10_000, 19_999, 20_000, 25_000, 26_000)
    assert [gauge.read(at)[series_of("depth")] for at in instants] == [1, 7, 7, 1, 7, 1]


def test_a_gauge_without_a_value_is_not_exposed() -> None:
    assert Service((Gauge("depth", 1, None),), (0,), FAULT).read(15_000) == {}


def test_errors_count_at_their_share_of_constant_traffic() -> None:
    service = Service((Counters(10, 0.1, 0.5),), (0,), FAULT)
    assert service.read(10_000) == {series_of("requests_total"): 100, ERRORS: 10}
    assert service.read(20_000) == {series_of("requests_total"): 200, ERRORS: 60}
    assert service.read(30_000) == {series_of("requests_total"): 300, ERRORS: 60 + 9 + 5}


def test_a_label_value_can_appear_with_the_first_error() -> None:
    service = Service((Counters(10, 0, 1, appears=True),), (0,), FAULT)
    assert ERRORS not in service.read(10_099)
    assert service.read(10_100)[ERRORS] == 1


def test_counters_begin_at_zero_with_each_start() -> None:
    service = Service((Counters(10, 0, 1),), (0, 15_000), FAULT)
    assert service.read(14_900)[ERRORS] == 49
    assert service.read(15_000)[ERRORS] == 0
    assert service.read(16_000)[ERRORS] == 10


def test_a_slow_request_counts_when_it_ends() -> None:
    service = Service((Latencies(10, 0, 1, fast=100, slow=2000, bounds_seconds=(0.1, 5.0)),), (0,), FAULT)
    within, slow, every = (series_of("latency_seconds_bucket", le=le) for le in ("0.1", "5.0", "+Inf"))
    assert service.read(10_100) == {within: 100, slow: 100, every: 100}
    assert service.read(12_000) == {within: 100, slow: 100, every: 100}
    assert service.read(13_000) == {within: 100, slow: 110, every: 110}


def test_only_its_outage_keeps_a_service_from_answering() -> None:
    service = Service((), (0,), FAULT, "hangs")
    assert [service.answer(at) for at in (9999, 10_000, 20_000)] == ["answers", "hangs", "answers"]
