"""What a drill's rules read: raw samples, from which the rules can be evaluated again on another machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate, pairwise
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from alertdrill.agent.recording.records import Count, Instant, Record, Seconds, TargetRecord

_Index = Annotated[int, Field(ge=0, le=10_000_000)]
_Millis = Annotated[int, Field(ge=-(2**53), le=2**53)]


class RawSeries(Record):
    """One series: its values at the instants of `ReplayRecord.instants[grid]`, all series of a scrape share them."""

    # 0 / 0 is NaN, which JSON has no number for.
    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="strings")

    labels: dict[str, str]
    grid: _Index
    values: list[float]


class SelectorRecord(Record):
    """How many series and samples a selector has in the time that a replay needs."""

    selector: str
    series: Count
    samples: Count


class LeftOutRecord(Record):
    """A rule that cannot be replayed from this recording: why, and what its selectors find."""

    rule: str
    reason: str
    selectors: list[SelectorRecord] = []

    @property
    def why(self) -> str:
        """The reason in words, with the selectors that are too wide."""
        widest = "; ".join(
            f"{one.selector}: {one.samples:,} samples in {one.series:,} series" for one in self.selectors
        )
        return f"{self.reason} ({widest})" if widest else self.reason

    @property
    def warning(self) -> str:
        """The line that a command prints of it."""
        return f"alertdrill: {self.rule} cannot be replayed: {self.why}"


class ReplayRecord(Record):
    """The raw samples from `since` to the end of the drill, of every selector that the rules under test depend on.

    `files` has the groups of each rule file as YAML, recording rules too. `instants` are lists of milliseconds since
    `since`: the first one, and then the distance of each to the one before. `targets` are the scrapes of every target
    behind the series. `left_out` names the rules whose samples are not all here.
    """

    since: Instant
    files: dict[str, str]
    external_labels: dict[str, str] = {}
    lookback_seconds: Seconds = 300.0
    scrape_seconds: dict[str, Seconds] = {}
    instants: list[list[_Millis]]
    series: list[RawSeries]
    targets: list[TargetRecord] = []
    left_out: list[LeftOutRecord] = []

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for one in self.series:
            if one.grid >= len(self.instants) or len(one.values) != len(self.instants[one.grid]):
                msg = f"the values of {one.labels.get('__name__', 'a series')} do not fit their instants"
                raise ValueError(msg)
        return self

    def samples(self) -> Iterable[tuple[dict[str, str], list[tuple[int, float]]]]:
        """Yield the labels of each series, and its samples: milliseconds since `since`, and a value."""
        grids = [list(accumulate(grid)) for grid in self.instants]
        for one in self.series:
            yield one.labels, list(zip(grids[one.grid], one.values, strict=True))


def packed(
    since: float, found: Iterable[tuple[Mapping[str, str], Iterable[tuple[float, float]]]]
) -> tuple[list[list[int]], list[RawSeries]]:
    """Return the instants and the series of samples (Unix seconds, value), the instants of many series only once."""
    grids: dict[tuple[int, ...], int] = {}
    series = []
    for labels, samples in found:
        listed = list(samples)
        at = [round((instant - since) * 1000) for instant, _ in listed]
        distances = (*at[:1], *(later - earlier for earlier, later in pairwise(at)))
        grid = grids.setdefault(distances, len(grids))
        series.append(RawSeries(labels=dict(labels), grid=grid, values=[value for _, value in listed]))
    return [list(grid) for grid in grids], series
