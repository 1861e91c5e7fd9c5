"""The text of one threshold, parsed and formatted: `p(95)<2s`, `rate<0.01`, `count>1000`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from alertdrill.probes.figures.measures import Counter, Gauge, Measure, Rate, Trend
from alertdrill.probes.spelling import duration_text, number_text, plain_number, share_text
from alertdrill.units.duration import format_duration, parse_duration

AGGREGATIONS: dict[type[Measure], tuple[str, ...]] = {
    Counter: ("count", "rate"),
    Gauge: ("value",),
    Rate: ("rate",),
    Trend: ("avg", "min", "med", "max", "p(N)"),
}
"""The aggregations that each kind of metric has."""

_PLAIN = ("avg", "count", "max", "med", "min", "rate", "value")
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "===": operator.eq,
    "!=": operator.ne,
}
_NUMBER = r"\d+(?:\.\d+)?"
_SHAPE = re.compile(r"(?P<aggregation>[^<>=!]*[^<>=!\s])\s*(?P<comparison><=|>=|===|==|!=|<|>)\s*(?P<bound>[^<>=!\s]+)")
_PERCENTILE = re.compile(rf"p\(\s*(?P<percent>{_NUMBER})\s*\)")


@dataclass(frozen=True, slots=True)
class Expression:
    """`aggregation comparison bound`. `percent` (0 to 100) belongs to `p(N)`; a bound on a time is a timedelta."""

    aggregation: str
    comparison: str
    bound: timedelta | float
    percent: float | None = None

    @property
    def figure(self) -> str:
        """The aggregation as text: `p(95)`, `avg`."""
        return self.aggregation if self.percent is None else f"p({plain_number(self.percent)})"

    def observe(self, measure: Measure) -> float:
        """Return the aggregation of a measure; times in seconds."""
        if self.percent is not None and isinstance(measure, Trend):
            return measure.percentile(self.percent)
        return float(getattr(measure, self.aggregation))

    def observed_text(self, measure: Measure) -> str:
        """Format the aggregation of a measure as k6 does: `p(95)=1.2ms`, `rate=0.99%`, `rate=100.18/s`."""
        observed = self.observe(measure)
        if isinstance(measure, Trend):
            return f"{self.figure}={duration_text(observed)}"
        if isinstance(measure, Rate):
            return f"{self.figure}={share_text(observed)}"
        return f"{self.figure}={number_text(observed)}" + ("/s" if self.aggregation == "rate" else "")

    def holds(self, observed: float) -> bool:
        """Whether a figure keeps the bound; times in seconds."""
        bound = self.bound.total_seconds() if isinstance(self.bound, timedelta) else self.bound
        return _COMPARISONS[self.comparison](observed, bound)


def parse(text: str) -> Expression:
    """Parse a threshold; raises ValueError, which says what is wrong and what to write."""
    match = _SHAPE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a threshold, expected one such as p(95)<2s, rate<0.01 or count>1000")
    aggregation, percent = _parse_aggregation(match["aggregation"])
    return Expression(aggregation, match["comparison"], _parse_bound(text, match["bound"]), percent)


def expression_text(expression: Expression) -> str:
    """Format a threshold so that it can be parsed again."""
    bound = expression.bound
    written = format_duration(bound) if isinstance(bound, timedelta) else plain_number(bound)
    return f"{expression.figure}{expression.comparison}{written}"


def _parse_aggregation(text: str) -> tuple[str, float | None]:
    if text in _PLAIN:
        return text, None
    if match := _PERCENTILE.fullmatch(text):
        if float(match["percent"]) <= 100:
            return "p(N)", float(match["percent"])
        raise ValueError(f"{text} is not a percentile, expected one from p(0) to p(100)")
    if match := re.search(rf"^p\D*({_NUMBER})", text):
        raise ValueError(f"unknown aggregation {text!r}, did you mean p({match[1]})?")
    raise ValueError(f"unknown aggregation {text!r}, expected one of: {', '.join(_PLAIN)}, p(95)")


def _parse_bound(threshold: str, text: str) -> timedelta | float:
    if re.fullmatch(_NUMBER, text):
        return float(text)
    try:
        return parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{threshold!r} has the bound {text!r}, expected a number or a duration such as 2s") from error
