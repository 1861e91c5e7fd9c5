"""A value that never crossed its threshold: how near it came, and why it did not show the fault."""

from __future__ import annotations

import math

import promql_parser as promql

from alertdrill.agent.recording.records import PartRecord, SeriesRecord
from alertdrill.agent.rules.expression import Selector, ThresholdCondition, selectors_of
from alertdrill.agent.rules.labels import spell
from alertdrill.agent.rules.shape import bad_seconds
from alertdrill.agent.verdict.diagnosis.pairs import sides_apart
from alertdrill.agent.verdict.diagnosis.silent import SilentAlert, true_instants
from alertdrill.agent.verdict.evaluations import part
from alertdrill.agent.verdict.verdict import ChainLink, Finding
from alertdrill.units.promql import nodes, parse


def never_crossed(silent: SilentAlert) -> Finding | None:
    """Find a value that came to no side of its threshold where the rule fires."""
    if any(true_instants(silent)):
        return None
    condition, value = silent.tree.condition if silent.tree else None, silent.value
    if condition is None or value is None:
        return sides_apart(silent)
    text = extreme(silent, condition, value)
    if not text:
        return None
    why = _first_increment(silent, condition) or _looked_elsewhere(silent)
    return Finding(ChainLink.NEVER_CROSSED, f"{text}; {why}" if why else text + _share_of_range(silent))


def _looked_elsewhere(silent: SilentAlert) -> str:
    """Return that the rule could not see the fault: it looks further back, or nothing was scraped meanwhile."""
    lasted = silent.healed_at - silent.fault_at
    back = min((one.offset_seconds for one in silent.tree.selectors), default=0.0) if silent.tree else 0.0
    if back > lasted:
        return f"it looks {back:g} s back (`offset`), and the fault lasted {lasted:.3g} s"
    targets = silent.of_rule.targets
    if targets and not any(silent.fault_at <= at <= silent.healed_at for one in targets for at in one.instants):
        every = min(one.interval_seconds for one in targets)
        return (
            f"no scrape came while the fault lasted: it lasted {lasted:.3g} s, and the scrape interval is {every:g} s"
        )
    return ""


def _first_increment(silent: SilentAlert, condition: ThresholdCondition) -> str:
    """Find counters that began with the fault, and would have been enough if they had begun at 0."""
    growth = _growth(condition.value_expr)
    if growth is None or condition.comparison not in {">", ">="}:
        return ""
    function, selector = growth
    found = part(silent.record, str(selector))
    new = [series for series in found.series if _is_new(silent, series)] if found is not None else []
    # After their first sample they grew too little by themselves.
    grown = sum(max(value for value in series.values if value is not None) for series in new)
    if not new or not condition.holds(grown if function == "increase" else grown / (selector.range_seconds or 1.0)):
        return ""
    first, more = new[0], f" (and {len(new) - 1} more)" if len(new) > 1 else ""
    return (
        f"{_named(first)}{more} appeared at {silent.offset(silent.instants[first.first])} with {first.values[0]:g}, and"
        f" {function}() needs a sample before it: it never sees the first event of a series that is new"
    )


def _is_new(silent: SilentAlert, series: SeriesRecord) -> bool:
    """Return whether a series began after the fault, with a value above 0."""
    if not series.values or not 0 < series.first < len(silent.instants):
        return False
    return silent.instants[series.first] > silent.fault_at and (series.values[0] or 0.0) > 0


def _growth(expr: str) -> tuple[str, Selector] | None:
    """Return the only rate or increase of a value that is nothing else but aggregated."""
    every = list(nodes(parse(expr)))
    calls = [one for one in every if isinstance(one, promql.Call)]
    if len(calls) != 1 or calls[0].func.name not in {"rate", "irate", "increase"}:
        return None
    selectors = selectors_of(calls[0])
    is_plain = not any(isinstance(one, promql.BinaryExpr | promql.SubqueryExpr) for one in every)
    return (calls[0].func.name, selectors[0]) if is_plain and len(selectors) == 1 else None


def _named(series: SeriesRecord) -> str:
    labels = {name: value for name, value in series.labels.items() if name not in {"__name__", "job", "instance"}}
    return series.labels.get("__name__", "") + spell(labels)


def extreme(silent: SilentAlert, condition: ThresholdCondition, value: PartRecord) -> str:
    """Return how near to its threshold a value came; empty if it had no value."""
    values = [pair for series in value.series for pair in silent.after_fault(series)]
    numbers = [(at, number) for at, number in values if not math.isnan(number)]
    threshold = f"fires at {condition.comparison} {condition.threshold:g}"
    if values and not numbers:
        return f"its value was NaN throughout: nothing was counted in its series, or they are native histograms; it {threshold}"
    if not numbers:
        return ""
    lost = (
        f"; it was NaN at {len(values) - len(numbers)} of {len(values)} evaluations"
        if len(values) > 2 * len(numbers)
        else ""
    )
    is_low = condition.comparison in {"<", "<="}
    at, best = (min if is_low else max)(numbers, key=lambda pair: pair[1])
    word = "smallest" if is_low else "largest"
    return f"never crossed: {word} value {best:.4g}, at {silent.offset(at)}; it {threshold}{lost}"


def _share_of_range(silent: SilentAlert) -> str:
    """Return how much of a range had to be bad, and how long the fault lasted."""
    found = silent.onset
    width = found.shape.range_seconds
    if not width or not found.levels:
        return ""
    needed = [seconds for one in found.levels if (seconds := bad_seconds(found.shape, one)) is not None]
    if not needed:
        return f"; even a range of {width:g} s full of it would not do"
    lasted = min(silent.healed_at - silent.fault_at, width)
    return f"; at least {min(needed):.3g} s of the {width:g} s range must be bad, and the fault lasted {lasted:.3g} s"
