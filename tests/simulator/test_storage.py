from __future__ import annotations

import pytest

from simulator import Sample, Version
from simulator.storage import Series, Storage, View
from simulator.values import series_of

LABELS = series_of("depth", job="api")


def stored(*samples: Sample) -> tuple[Storage, Series]:
    storage = Storage()
    for sample in samples:
        storage.write(LABELS, sample)
    return storage, storage.series[LABELS]


def test_a_query_does_not_see_what_is_written_after_it_ran_but_a_later_one_does() -> None:
    storage, series = stored(Sample(1000, 1, 1100), Sample(2000, 2, 2300))
    assert View(storage, Version.V2, 300_000, now=2299).instant(series, 2200) == 1
    assert View(storage, Version.V2, 300_000, now=2300).instant(series, 2200) == 2
    assert View(storage, Version.V2, 300_000).instant(series, 2200) == 2
    assert View(storage, Version.V2, 300_000, now=2299).window(series, 2200, 5000) == [(1000, 1)]
    assert View(storage, Version.V2, 300_000).window(series, 2200, 5000) == [(1000, 1), (2000, 2)]


@pytest.mark.parametrize(("version", "found"), [(Version.V2, 1), (Version.V3, None)])
def test_a_sample_exactly_as_old_as_the_look_back_counts_in_2_and_no_longer_in_3(
    version: Version, found: float | None
) -> None:
    storage, series = stored(Sample(1000, 1, 1000))
    view = View(storage, version, 300_000)
    assert view.instant(series, 301_000) == found
    assert view.instant(series, 300_999) == 1
    assert view.instant(series, 301_001) is None


@pytest.mark.parametrize(("version", "points"), [(Version.V2, 6), (Version.V3, 5)])
def test_five_minutes_of_samples_a_minute_apart_are_six_in_2_and_five_in_3(version: Version, points: int) -> None:
    storage, series = stored(*(Sample(at, 1, at) for at in range(0, 600_001, 60_000)))
    assert len(View(storage, version, 300_000).window(series, 600_000, 300_000)) == points


def test_a_stale_marker_ends_a_series_at_once_and_is_no_sample_of_a_range() -> None:
    storage, series = stored(Sample(1000, 1, 1000), Sample(2000, None, 2000), Sample(3000, 3, 3000))
    view = View(storage, Version.V2, 300_000)
    assert [view.instant(series, at) for at in (999, 1999, 2000, 2999, 3000)] == [None, 1, None, None, 3]
    assert view.window(series, 3000, 3000) == [(1000, 1), (3000, 3)]


def test_a_sample_that_is_not_younger_than_the_last_is_refused() -> None:
    _, series = stored(Sample(2000, 2, 2000), Sample(1000, 1, 2500), Sample(2000, 9, 2500))
    assert series.samples() == (Sample(2000, 2, 2000),)
