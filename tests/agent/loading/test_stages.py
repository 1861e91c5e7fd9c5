"""The progress of a load: the stage with its rate, the time left, and a bar of a given width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertdrill.agent.loading.view import place_words, stage_bar, time_words
from alertdrill.probes.load.settings import LoadSettings


def _settings(*stages: tuple[str, float], start_rate: float = 0.0) -> LoadSettings:
    return LoadSettings.model_validate(
        {"start_rate": start_rate, "stages": [{"duration": duration, "target": target} for duration, target in stages]}
    )


RAMP = _settings(("2m", 100), ("3m", 100), ("0s", 250), ("5m", 0.5))


@pytest.mark.parametrize(
    ("elapsed", "place", "time"),
    [
        (0, "stage 1 of 4, 0 → 100/s", "10m left"),
        (119, "stage 1 of 4, 0 → 100/s", "8m1s left"),
        (120, "stage 2 of 4, 100/s", "8m left"),
        # A jump takes no time, so the load is never inside it.
        (300, "stage 4 of 4, 250 → 0.5/s", "5m left"),
        (600, "stage 4 of 4, 250 → 0.5/s", "all sent, waiting for answers"),
    ],
)
def test_the_stage_and_the_time_left_are_shown(elapsed: float, place: str, time: str) -> None:
    assert place_words(RAMP, elapsed) == place
    assert time_words(RAMP, elapsed) == time


def test_a_constant_rate_has_no_stages() -> None:
    settings = LoadSettings.model_validate({"rate": 2000, "duration": "1h"})
    assert place_words(settings, 5) == "2000/s"
    assert time_words(settings, 60) == "59m left"


def test_an_endless_load_shows_the_time_gone() -> None:
    assert time_words(LoadSettings(rate=5), 3661) == "1h1m1s gone"


@pytest.mark.parametrize(
    ("elapsed", "gone", "left"),
    [
        (0, "", "────┼─────┼─────────"),
        (90, "━━━", "─┼─────┼─────────"),
        (105, "━━━", "╸┼─────┼─────────"),
        (315, "━━━━┿━━━━━", "┼─────────"),
        (600, "━━━━┿━━━━━┿━━━━━━━━━", ""),
        (700, "━━━━┿━━━━━┿━━━━━━━━━", ""),
    ],
)
def test_the_bar_crosses_where_a_stage_begins(elapsed: float, gone: str, left: str) -> None:
    """Twenty cells for ten minutes: thirty seconds each."""
    assert stage_bar(RAMP, elapsed, 20) == (gone, left)


@given(
    seconds=st.lists(st.integers(1, 10_000), min_size=1, max_size=40),
    share=st.floats(0, 1.5),
    width=st.integers(1, 200),
)
def test_the_bar_has_the_given_width_and_its_share_is_that_of_the_time(
    seconds: list[int], share: float, width: int
) -> None:
    settings = _settings(*((f"{length}s", 1.0) for length in seconds))
    gone, left = stage_bar(settings, share * sum(seconds), width)
    assert len(gone + left) == width
    assert abs(len(gone) - min(share, 1.0) * width) <= 1
    assert set(gone) <= {"━", "┿"}
    assert set(left) <= {"╸", "─", "┼"}
