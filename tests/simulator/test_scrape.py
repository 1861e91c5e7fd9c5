from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from simulator import Gauge, Labels, Restart, Sample, Service, Stretches, Target
from simulator.scrape import scrape
from simulator.storage import Storage
from simulator.values import series_of

UP = series_of("up", job="api", instance="1")
DEPTH = series_of("depth", job="api", instance="1")


def target(outage: Literal["answers", "refuses", "hangs"] = "answers", during: float | None = 7) -> Target:
    service = Service((Gauge("depth", 1, during),), (0,), Stretches(((14_000, 30_000),)), outage)
    return Target("api", "1", service, interval=10_000, phase=4000, timeout=5000, duration=200)


def scraped(target: Target, end: int = 45_000, restart: Restart | None = None) -> dict[Labels, list[Sample]]:
    storage = Storage()
    scrape(target, storage, 0, end, restart)
    return {labels: list(series.samples()) for labels, series in storage.series.items()}


def test_a_sample_has_the_time_at_which_its_scrape_began_and_is_written_when_it_ended() -> None:
    assert scraped(target())[DEPTH] == [
        Sample(4000, 1, 4200),
        Sample(14_000, 7, 14_200),
        Sample(24_000, 7, 24_200),
        Sample(34_000, 1, 34_200),
        Sample(44_000, 1, 44_200),
    ]


def test_a_service_that_looks_late_shows_a_fault_younger_than_the_sample() -> None:
    late = replace(target(), phase=3900, reads_after=100)
    assert scraped(late)[DEPTH][1] == Sample(13_900, 7, 14_100)


@pytest.mark.parametrize(("outage", "takes"), [("refuses", 200), ("hangs", 5000)])
def test_a_failed_scrape_writes_up_0_and_marks_all_else_stale(outage: Literal["refuses", "hangs"], takes: int) -> None:
    found = scraped(target(outage), 35_000)
    assert found[UP] == [
        Sample(4000, 1, 4200),
        Sample(14_000, 0, 14_000 + takes),
        Sample(24_000, 0, 24_000 + takes),
        Sample(34_000, 1, 34_200),
    ]
    assert found[DEPTH] == [Sample(4000, 1, 4200), Sample(14_000, None, 14_000 + takes), Sample(34_000, 1, 34_200)]


def test_a_series_that_is_no_longer_exposed_is_marked_stale_once() -> None:
    found = scraped(target(during=None), 35_000)
    assert found[DEPTH] == [Sample(4000, 1, 4200), Sample(14_000, None, 14_200), Sample(34_000, 1, 34_200)]
    assert [sample.value for sample in found[UP]] == [1, 1, 1, 1]


def test_a_dropped_target_is_marked_as_of_the_next_scrape_but_two_and_a_tenth_intervals_late() -> None:
    found = scraped(replace(target(), dropped_at=20_000))
    assert found[UP] == [Sample(4000, 1, 4200), Sample(14_000, 1, 14_200), Sample(24_000, None, 35_000)]
    assert found[DEPTH][-1] == Sample(24_000, None, 35_000)


def test_a_target_that_returns_is_scraped_again_and_was_marked_only_if_it_was_gone_for_long() -> None:
    found = scraped(replace(target(), dropped_at=20_000, returns_at=40_000))
    assert found[UP] == [
        Sample(4000, 1, 4200),
        Sample(14_000, 1, 14_200),
        Sample(24_000, None, 35_000),
        Sample(44_000, 1, 44_200),
    ]
    found = scraped(replace(target(), dropped_at=20_000, returns_at=30_000))
    assert [sample.at for sample in found[UP] if sample.value is not None] == [4000, 14_000, 34_000, 44_000]
    assert len(found[UP]) == 4


def test_while_prometheus_is_down_nothing_is_written_and_vanished_series_get_no_marker() -> None:
    restart = Restart(down_at=14_100, up_at=25_000)
    found = scraped(target("refuses"), 35_000, restart)
    assert found[UP] == [Sample(4000, 1, 4200), Sample(34_000, 1, 34_200)]
    longer = replace(
        target("refuses"), service=Service((Gauge("depth", 1, 1),), (0,), Stretches(((14_000, 40_000),)), "refuses")
    )
    found = scraped(longer, 35_000, restart)
    assert found[DEPTH] == [Sample(4000, 1, 4200)]
    assert found[UP][-1] == Sample(34_000, 0, 34_200)
