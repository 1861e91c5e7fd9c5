"""The series of a query's answer, from vectors, matrices and scalars; native histograms are marked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter

from alertdrill.agent.monitoring.wire import Labels, Number

Sample = tuple[float, float]
"""Unix seconds, exact to the millisecond, and a value, which may be NaN or infinite."""


@dataclass(frozen=True)
class Series:
    """The labels of a series and its samples in order of time.

    A native histogram has no value: `histograms_at` holds the instants of such samples.
    """

    labels: dict[str, str]
    samples: tuple[Sample, ...]
    histograms_at: tuple[float, ...] = ()

    def between(self, first: float, last: float) -> Series:
        """Return the series between two instants, both included."""
        return Series(
            self.labels,
            tuple(sample for sample in self.samples if first <= sample[0] <= last),
            tuple(instant for instant in self.histograms_at if first <= instant <= last),
        )


@dataclass(frozen=True)
class _Row:
    """A series of a vector has `value` or `histogram`, one of a matrix has `values`, `histograms` or both."""

    metric: Labels
    value: tuple[float, Number] | None = None
    values: tuple[tuple[float, Number], ...] = ()
    histogram: tuple[float, Any] | None = None
    histograms: tuple[tuple[float, Any], ...] = ()

    def series(self) -> Series:
        samples = self.values if self.value is None else (self.value,)
        histograms = self.histograms if self.histogram is None else (self.histogram,)
        return Series(self.metric, samples, tuple(instant for instant, _ in histograms))


def _rows(data: Any) -> Any:  # noqa: ANN401 - JSON
    """Convert a scalar, which is a bare sample, to a vector of one."""
    if isinstance(data, dict) and data.get("resultType") == "scalar":
        return {"result": [{"metric": {}, "value": data.get("result")}]}
    return data


@dataclass(frozen=True)
class _QueryResult:
    result: tuple[_Row, ...] = field(default=())


QUERY_RESULT = TypeAdapter(Annotated[_QueryResult, BeforeValidator(_rows)])
LABEL_VALUES = TypeAdapter(list[str])


def query_series(result: _QueryResult) -> list[Series]:
    """Return the series of an answer."""
    return [row.series() for row in result.result]


def join_series(parts: Iterable[list[Series]]) -> list[Series]:
    """Join the answers for consecutive stretches of time, series by series."""
    whole: dict[tuple[tuple[str, str], ...], Series] = {}
    for series in (one for part in parts for one in part):
        key = tuple(sorted(series.labels.items()))
        before = whole.get(key, Series(series.labels, ()))
        whole[key] = Series(series.labels, before.samples + series.samples, before.histograms_at + series.histograms_at)
    return list(whole.values())
