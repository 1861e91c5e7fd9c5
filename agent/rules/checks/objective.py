"""Checks of a rule's threshold beside the promises of the service (KPIs)."""

from __future__ import annotations

from collections.abc import Iterator

from alertdrill.agent.config.kpis import Kpi
from alertdrill.agent.rules.remark import CheckedRule, CheckResult
from alertdrill.agent.rules.shape import Shape

_UP = {">", ">="}
# A threshold this many times beyond the objective is not about that objective.
_FAR = 10.0


def watches(shape: Shape, kpi: Kpi) -> bool:
    """Return whether a comparison is true on the side on which a promise is broken."""
    return _measures(shape, kpi) and (shape.comparison in _UP) != (kpi.comparison in _UP)


def looser_than_objective(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find a threshold at or beyond a promise: the promise is broken before the alert fires."""
    for leaf in checked.shape.leaves:
        for kpi in checked.context.kpis.promises:
            if not watches(leaf, kpi):
                continue
            threshold = _threshold(leaf)
            beyond = threshold - kpi.limit if leaf.comparison in _UP else kpi.limit - threshold
            if beyond > 0:
                yield _looser(leaf, kpi, threshold)
            elif beyond == 0:
                yield CheckResult(
                    "note",
                    f"the threshold {threshold:g} is the promise itself ({kpi.name} {kpi.objective}):"
                    f" it fires {checked.timing.wait:g} s or more after the promise was broken, and never before",
                    "a second alert, closer to what is normal, as an early warning",
                )


def _looser(leaf: Shape, kpi: Kpi, threshold: float) -> CheckResult:
    times = threshold / kpi.limit if kpi.limit > 0 and leaf.comparison in _UP else 0.0
    how = f"{times:.3g} times the promise" if times else f"{abs(threshold - kpi.limit):g} away from the promise"
    between = sorted((threshold, kpi.limit))
    return CheckResult(
        "problem" if times >= _FAR else "weakness",
        f"the threshold {threshold:g} is {how} ({kpi.name} {kpi.objective}):"
        f" from {between[0]:g} to {between[1]:g} the promise is broken and nobody is notified",
        f"`{leaf.comparison} {kpi.limit:g}`, or a burn rate over a longer range",
    )


def fires_on_what_is_promised(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find a threshold that a service crosses while it keeps its promise."""
    for leaf in checked.shape.leaves:
        for kpi in checked.context.kpis.promises:
            if not _measures(leaf, kpi) or (leaf.comparison in _UP) != (kpi.comparison in _UP):
                continue
            threshold = _threshold(leaf)
            kept = kpi.limit > threshold if leaf.comparison in _UP else kpi.limit < threshold
            if kept:
                yield CheckResult(
                    "problem",
                    f"it fires when the promise is kept: {kpi.name} {kpi.objective},"
                    f" and {kpi.limit:g} {leaf.comparison} {threshold:g}",
                    f"a threshold beyond {kpi.limit:g}, such as {leaf.comparison} {kpi.limit * 1.1:g}"
                    if leaf.comparison in _UP
                    else f"a threshold below {kpi.limit:g}",
                )


def _measures(shape: Shape, kpi: Kpi) -> bool:
    """Return whether a comparison is about the value of a promise."""
    if shape.bad is None or shape.bad.metric != kpi.series or shape.comparison in {"==", "!=", ""}:
        return False
    if kpi.quantile is not None:
        return shape.kind == "quantile" and shape.quantile == kpi.quantile
    if kpi.of is not None:
        return shape.kind == "ratio" and shape.all is not None and shape.all.metric == kpi.of
    if kpi.per is not None:
        # A rate is per second.
        return shape.kind == "rate" and kpi.per == "second"
    return shape.kind in {"gauge", "any", "all", "mean"}


def _threshold(shape: Shape) -> float:
    return shape.bound if shape.kind == "quantile" else shape.threshold
