"""The kinds of expression with a formula for their timing, and how much of a range must be bad for each.

With e and n the rates of bad and of all events before (0) and during (1) a fault, the share of bad events in a range
W of which x is bad is (e0·(W-x) + e1·x) / (n0·(W-x) + n1·x). It reaches θ at

    x = W · (θ·n0 - e0) / ((e1 - e0) - θ·(n1 - n0))

A rate or a mean beside a number is the same with n0 = n1 = 1, and the q-quantile exceeds a bound when the share of
observations above the bound exceeds 1 - q.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from alertdrill.agent.rules.expression import Selector

Kind = Literal[
    "gauge", "up", "absent", "rate", "ratio", "quantile",
    "gauges", "mean", "any", "all", "age", "both", "either", "unless", "other",
]  # fmt: skip
_INCLUSIVE = {">=", "<=", "=="}


@dataclass(frozen=True)
class Shape:
    """The comparison of an expression: `value comparison threshold` over `range_seconds`, 0 if it has no range.

    `threshold` is in the units of e (per second for `rate`) or of e/n. `bound` is the threshold of a quantile, and
    `quantile` its q. `bad` and `all` are the selectors of e and n. `parts` are the sides of `and`, `or`, `unless`.
    `function` is the function over the range, where there is one alone.
    """

    kind: Kind
    comparison: str = ""
    threshold: float = 0.0
    range_seconds: float = 0.0
    bad: Selector | None = None
    all: Selector | None = None
    quantile: float = 0.0
    bound: float = 0.0
    parts: tuple[Shape, ...] = ()
    function: str = ""

    @property
    def words(self) -> str:
        """The kind of expression as text."""
        return _WORDS[self.kind]

    @property
    def leaves(self) -> tuple[Shape, ...]:
        """Its comparisons: itself, or those that `and`, `or`, `unless` join."""
        return tuple(leaf for part in self.parts for leaf in part.leaves) or (self,)


_WORDS: dict[Kind, str] = {
    "gauge": "the newest value beside a number",
    "up": "targets that cannot be scraped",
    "absent": "series that are not there",
    "rate": "a rate beside a number",
    "ratio": "a ratio of two rates",
    "quantile": "a quantile of a histogram",
    "gauges": "the newest values of several series",
    "mean": "a mean over a range beside a number",
    "any": "any one sample of a range beside a number",
    "all": "every sample of a range beside a number",
    "age": "the time since something last happened",
    "both": "two conditions at once",
    "either": "one of two conditions",
    "unless": "a condition, unless another one holds",
    "other": "an expression without a closed form",
}


@dataclass(frozen=True)
class Levels:
    """Rates per second before and during a fault: of bad events, and of all."""

    bad_before: float
    bad_during: float
    all_before: float = 1.0
    all_during: float = 1.0


def bad_seconds(shape: Shape, levels: Levels) -> float | None:
    """Return how many seconds of the range must be bad until the condition holds; None if it never does.

    0 means that it holds without any fault.
    """
    width, threshold = shape.range_seconds, shape.threshold
    before = levels.bad_before - threshold * levels.all_before
    during = levels.bad_during - threshold * levels.all_during
    if shape.comparison not in {">", ">="}:
        before, during = -before, -during
    equality_does = shape.comparison in _INCLUSIVE
    if before > 0 or (before == 0 and equality_does):
        return 0.0
    if during < 0 or (during == 0 and not equality_does):
        return None
    return -before / (during - before) * width if width else 0.0


def bad_seconds_span(shape: Shape, levels: Levels, history_seconds: float) -> tuple[float, float] | None:
    """Return the least and the most seconds that must be bad, if only `history_seconds` of the range were good.

    Series may be younger than the range, or may have stood still when the fault began. A ratio does not count such time
    as good; the result depends on whether the good part still grows or already leaves the range. A rate always refers
    to the whole range.
    """
    needed = bad_seconds(shape, levels)
    if needed is None or shape.range_seconds == 0 or history_seconds >= shape.range_seconds:
        return None if needed is None else (needed, needed)
    if shape.kind == "rate":
        needed = _of_a_young_rate(shape, levels, history_seconds, needed)
        return needed, needed
    share = needed / shape.range_seconds
    most = share * history_seconds / (1 - share) if share < 1 else needed
    return share * history_seconds, min(needed, most)


def _of_a_young_rate(shape: Shape, levels: Levels, history_seconds: float, needed: float) -> float:
    """Return how many seconds must be bad for a rate whose series are younger than the range."""
    lacks = shape.threshold * shape.range_seconds - levels.bad_before * history_seconds
    if shape.comparison not in {">", ">="}:
        return 0.0 if lacks > 0 else needed
    if lacks <= 0 or levels.bad_during <= 0:
        return 0.0 if lacks <= 0 else needed
    young = lacks / levels.bad_during
    return young if history_seconds + young <= shape.range_seconds else needed
