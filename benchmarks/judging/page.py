"""The page: size and times, with their goals."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.results import Circumstances

LARGEST_MB, LONGEST_SECONDS = 5.0, 1.0

_PAGE = """\
# What judging costs
Written by `python -m benchmarks.judging`; do not edit.

A drill of two hours with {alerts} alerts under test on three instances: evaluations every 15 s, scrapes every 5 and 15 s, {seconds:,} seconds of load, histograms with {buckets} buckets, {samples:,} values of series.
The times are those of the best of {rounds} rounds.

{here}
| what | measured | at the most |
| --- | --- | --- |
| recording, megabytes | {megabytes:.2f} | {largest:g} |
| reading it, seconds | {reading:.2f} | |
| judging it, seconds | {judging:.2f} | |
| both, seconds | {both:.2f} | {longest:g} |
"""


@dataclass(frozen=True)
class Size:
    """The contents of a recording, as counts."""

    alerts: int
    seconds: int
    buckets: int
    samples: int


@dataclass(frozen=True)
class Measured:
    """The recording's size in bytes and, for each round, the seconds that reading and judging it took."""

    here: Circumstances
    size: Size
    file_bytes: int
    rounds: tuple[tuple[float, float], ...]

    @property
    def best(self) -> tuple[float, float]:
        """The fastest round."""
        return min(self.rounds, key=sum)

    @property
    def is_good(self) -> bool:
        """Whether the size and the time of the best round reach their goals."""
        return self.file_bytes < LARGEST_MB * 1e6 and sum(self.best) < LONGEST_SECONDS


def render(measured: Measured) -> str:
    """Return the page as Markdown."""
    reading, judging = measured.best
    return _PAGE.format(
        **vars(measured.size),
        rounds=len(measured.rounds),
        here=measured.here.words,
        megabytes=measured.file_bytes / 1e6,
        reading=reading,
        judging=judging,
        both=reading + judging,
        largest=LARGEST_MB,
        longest=LONGEST_SECONDS,
    )
