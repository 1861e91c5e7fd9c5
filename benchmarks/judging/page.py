"""The page: how large, how long, beside what it may be."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.results import Circumstances

LARGEST_MB, LONGEST_SECONDS = 5.0, 1.0

_PAGE = """\
# What judging costs
Written by `python -m benchmarks.judging`; do not edit.

A drill of two hours with {alerts} alerts under test, on three instances: evaluations every 15 s, scrapes every 5 and 15 s, {seconds:,} seconds of load, histograms with {buckets} buckets, {samples:,} values of series.
Times are the best of {rounds}.

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
    """What a recording holds."""

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
        """The round that took least in all."""
        return min(self.rounds, key=sum)

    @property
    def is_good(self) -> bool:
        """Tell whether both stay below what they may be."""
        return self.file_bytes < LARGEST_MB * 1e6 and sum(self.best) < LONGEST_SECONDS


def render(measured: Measured) -> str:
    """Spell the page in Markdown."""
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
