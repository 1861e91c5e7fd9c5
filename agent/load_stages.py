"""Where a load stands in its stages, in words and as a bar."""

from __future__ import annotations

from datetime import timedelta
from itertools import accumulate

from alertdrill.probes.load.settings import LoadSettings
from alertdrill.probes.spelling import number_text
from alertdrill.units.duration import format_duration


def stage_ends(settings: LoadSettings) -> list[float]:
    """Tell when each stage ends, in seconds from the start; nothing for a load without end."""
    if settings.steps:
        return list(accumulate(stage.duration.total_seconds() for stage in settings.steps))
    return [] if settings.duration is None else [settings.duration.total_seconds()]


def place_words(settings: LoadSettings, elapsed_seconds: float) -> str:
    """Tell which stage of how many it is, and its rate: `stage 3 of 9, 100 → 500/s`; a constant rate alone."""
    if settings.rate is not None:
        return f"{rate_text(settings.rate)}/s"
    ends, targets = stage_ends(settings), [stage.target for stage in settings.steps]
    index = min(sum(end <= elapsed_seconds for end in ends), len(ends) - 1)
    before = targets[index - 1] if index else settings.start_rate
    ramp = "" if before == targets[index] else f"{rate_text(before)} → "
    return f"stage {index + 1} of {len(ends)}, {ramp}{rate_text(targets[index])}/s"


def time_words(settings: LoadSettings, elapsed_seconds: float) -> str:
    """Tell the time left in all, or the time gone where there is no end."""
    ends = stage_ends(settings)
    if not ends:
        return f"{_seconds_text(elapsed_seconds)} gone"
    if elapsed_seconds >= ends[-1]:
        return "all sent, waiting for answers"
    return f"{_seconds_text(ends[-1] - elapsed_seconds)} left"


def stage_bar(settings: LoadSettings, elapsed_seconds: float, width: int) -> tuple[str, str]:
    """Draw what is gone and what is left of a load with an end, `width` cells in all, a cross where a stage begins."""
    ends = stage_ends(settings)
    # Halves of a cell, of which the last may be drawn.
    halves = int(2 * width * min(elapsed_seconds / ends[-1], 1.0))
    cells = ["━"] * (halves // 2) + ["╸"] * (halves % 2)
    cells += ["─"] * (width - len(cells))
    gone = halves // 2
    for end in ends[:-1]:
        cell = min(int(width * end / ends[-1]), width - 1)
        cells[cell] = "┿" if cell < gone else "┼"
    return "".join(cells[:gone]), "".join(cells[gone:])


def rate_text(rate: float) -> str:
    """Spell a rate a second, to the hundredth below ten and else to the tenth."""
    return number_text(round(rate, 2 if rate < 10 else 1))


def _seconds_text(seconds: float) -> str:
    return format_duration(timedelta(seconds=round(seconds)))
