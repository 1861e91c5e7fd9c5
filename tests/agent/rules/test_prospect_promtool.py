"""The computed windows, compared with the results of real promtool for the same rule and the same fault."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.prospect import Prospect, prospect
from alertdrill.agent.rules.timing import Timing
from benchmarks.explaining.promtool import answers

STARTS_AT = 1200.0
HORIZON = 5400
FIRST = 'min by (case) (min_over_time(timestamp(ALERTS{{alertstate="firing"}})[2h:{interval:g}s]))'
LAST = 'max by (case) (max_over_time(timestamp(ALERTS{{alertstate="firing"}})[2h:{interval:g}s]))'

Values = Callable[[float, float, float], float]
"""A value at an instant, for a fault between two instants (all in seconds)."""


def _counted(before: float, during: float) -> Values:
    """A counter that grows by one rate before and after a fault, and by another rate during it."""

    def value(at: float, begins: float, ends: float) -> float:
        bad = max(min(at, ends) - begins, 0.0)
        return before * (at - bad) + during * bad

    return value


def _level(before: float, during: float) -> Values:
    return lambda at, begins, ends: during if begins <= at < ends else before


def _stamp(at: float, begins: float, ends: float) -> float:
    """The instant of the last event: there is one at each scrape, except during the fault."""
    return begins if begins < at < ends else at


ERRORS = "rate(e[5m]) / rate(n[5m]) > 0.05"
ALL = _counted(100, 100)
QUANTILE = "histogram_quantile(0.95, sum by (le, case) (rate(b[5m]))) > 2"
CASES: dict[str, tuple[str, float, dict[str, Values]]] = {
    "a tenth fails": (ERRORS, 60, {"e": _counted(0, 10), "n": ALL}),
    "a tenth fails, long for": (ERRORS, 300, {"e": _counted(0, 10), "n": ALL}),
    "all fails": (ERRORS, 60, {"e": _counted(0, 100), "n": ALL}),
    "half is missing": ("rate(e[5m]) / rate(n[5m]) < 0.95", 60, {"e": _counted(100, 50), "n": ALL}),
    "a rate rises": ("sum by (case) (rate(e[5m])) > 100", 120, {"e": _counted(0, 150)}),
    "a counter stops": ("rate(e[1m]) == 0", 30, {"e": _counted(50, 0)}),
    "a single increase": ("increase(e[5m]) > 0", 0, {"e": _counted(0, 1)}),
    "a tenth is slow": (QUANTILE, 300, {'b{le="2"}': _counted(100, 90), 'b{le="4"}': ALL, 'b{le="+Inf"}': ALL}),
    "a value rises": ("g > 0", 60, {"g": _level(0, 1)}),
    "two values differ": ("g != h", 50, {"g": _level(0, 1), "h": _level(0, 0)}),
    "one sample of a range": ("max_over_time(g[5m]) >= 1", 120, {"g": _level(0, 1)}),
    "every sample of a range": ("min_over_time(g[2m]) >= 1", 60, {"g": _level(0, 1)}),
    "a mean doubles": ("avg_over_time(g[5m]) > 0.5", 60, {"g": _level(0, 1)}),
    "nothing happens any more": ("time() - g > 120", 60, {"g": _stamp}),
    "two at once": (f"({ERRORS}) and g > 0", 60, {"e": _counted(0, 100), "n": ALL, "g": _level(0, 1)}),
    "one of two": ("rate(e[5m]) > 10 or g > 0", 60, {"e": _counted(0, 20), "g": _level(0, 1)}),
}
SIZES = {"a tenth fails": "10% of all", "a tenth fails, long for": "10% of all", "all fails": "100% of all"}
SIZES |= {"half is missing": "50% missing", "a tenth is slow": "10% above 2", "a rate rises": "1.5 times the threshold"}
GRIDS = ((15.0, 15.0), (10.0, 15.0), (15.0, 40.0))


def _outlook(name: str, grid: tuple[float, float]) -> Prospect:
    expr, for_, _ = CASES[name]
    rule = RuleRecord(
        alert="A",
        group="g",
        expr=expr,
        for_seconds=for_,
        keep_firing_for_seconds=0,
        interval_seconds=grid[1],
        labels={},
        annotations={},
        health="ok",
    )
    return prospect(rule, Timing(*grid, for_), ())


def _spans(name: str, outlook: Prospect) -> dict[str, tuple[float, float]]:
    """Return the computed times for the size of fault in a case, else for the largest."""
    size = SIZES.get(name)
    if size is None:
        assert outlook.shortest is not None
        legs = {leg.name: (leg.earliest, leg.latest) for leg in outlook.legs}
        return {"shortest": outlook.shortest, "firing": legs["firing"], "resolved": legs["resolved"]}
    (row,) = (row for table in outlook.tables for row in table.rows if row.size == size)
    assert row.bad_seconds is not None
    assert row.firing is not None
    assert row.shortest is not None
    resolved = outlook.timing.resolution_span(outlook.shape.range_seconds - row.bad_seconds)
    return {"shortest": row.shortest, "firing": row.firing, "resolved": resolved}


def _faults(name: str, grid: tuple[float, float]) -> dict[str, tuple[float, float]]:
    """Place a too short, a long enough and a long fault at several phases between two scrapes."""
    lucky, certain = _spans(name, _outlook(name, grid))["shortest"]
    lengths = {"short": lucky - 0.5, "certain": certain + 0.5, "long": 1800.0}
    phases = [grid[0] * share for share in (0.01, 0.3, 0.6, 0.99)]
    return {
        f"{word} {phase:g}": (STARTS_AT + phase, STARTS_AT + phase + length)
        for (word, length), phase in product(lengths.items(), phases)
        if length > 0
    }


def _series(name: str, faults: dict[str, tuple[float, float]], scrape: float) -> dict[str, str]:
    series = {}
    for case, (begins, ends) in faults.items():
        for metric, value in CASES[name][2].items():
            labelled = metric.replace("{", f'{{case="{case}",') if "{" in metric else f'{metric}{{case="{case}"}}'
            samples = (value(number * scrape, begins, ends) for number in range(int(HORIZON / scrape)))
            series[labelled] = " ".join(f"{sample:.6f}" for sample in samples)
    return series


@lru_cache
def _seen(name: str, grid: tuple[float, float]) -> tuple[dict[str, float], dict[str, float]]:
    """Return from promtool when the alert fired first and last, for each fault for which it fired (seconds)."""
    expr, for_, _ = CASES[name]
    rules = [{"alert": "A", "expr": expr, "for": f"{for_:g}s"}]
    queries = [query.format(interval=grid[1]) for query in (FIRST, LAST)]
    with TemporaryDirectory() as directory:
        first, last = answers(Path(directory), rules, _series(name, _faults(name, grid), grid[0]), queries, grid)
    return first, last


@pytest.mark.parametrize(("name", "grid"), list(product(CASES, GRIDS)))
def test_a_fault_too_short_never_fires_and_one_long_enough_always_does(name: str, grid: tuple[float, float]) -> None:
    """At every phase of the fault between two scrapes."""
    fired, _ = _seen(name, grid)
    assert set(fired) == {case for case in _faults(name, grid) if not case.startswith("short")}


@pytest.mark.parametrize(("name", "grid"), list(product(CASES, GRIDS)))
def test_a_long_fault_fires_and_resolves_inside_the_window(name: str, grid: tuple[float, float]) -> None:
    """At every phase of the fault between two scrapes, promtool finds an instant in the window."""
    spans = _spans(name, _outlook(name, grid))
    first, last = _seen(name, grid)
    fires, resolves = spans["firing"], spans["resolved"]
    for case, (begins, ends) in _faults(name, grid).items():
        if case.startswith("long"):
            assert fires[0] <= first[case] - begins <= fires[1] + 0.001, case
            assert resolves[0] <= last[case] + grid[1] - ends <= resolves[1] + 0.001, case
