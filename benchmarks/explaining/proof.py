"""Foretells rules with `alertdrill explain`, simulates their faults with promtool, and lists the contradictions."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.explanation import LocatedRule, explain
from alertdrill.agent.rules.prospect import Prospect
from alertdrill.agent.rules.recorded import RecordingRule, by_name, unfold
from alertdrill.agent.rules.remark import RuleContext
from alertdrill.agent.rules.timing import Timing
from benchmarks.explaining.drawn import FORS, LONG_SECONDS, Drawn, draw_one
from benchmarks.explaining.promtool import answers

_STARTS_AT = 1500.0
_HORIZON_SECONDS = 5400
GRIDS = ((15.0, 15.0), (10.0, 15.0), (15.0, 40.0), (30.0, 30.0), (30.0, 10.0))
"""Scrape and evaluation intervals."""
# promtool's queries may look at 10,000 samples, counted once for each series of a plain range.
# Until shortly before the faults the ranges are not full, and rules on low values are active.
_AT: dict[str, object] = {"record": "alert_at", "expr": f"timestamp(ALERTS) > {_STARTS_AT - 60:g}"}
_SLACK_SECONDS = 0.001
_METRIC = re.compile(r"\b(?:errors|n|ok|c|g|h|v|a|b|off|info|g_up|m_up|b_bucket|t_seconds_sum|t_seconds_count|cpu_seconds_total"
                     r"|job:[\w:]+)\b(?=[\[{\s)]|$)")  # fmt: skip


@dataclass(frozen=True)
class Foretold:
    """A rule with its fault, and what explain says of it."""

    drawn: Drawn
    number: int
    prospect: Prospect
    problems: frozenset[str]
    begins: float
    ends: float

    @property
    def rules(self) -> list[dict[str, object]]:
        """The recording rules and the alerting rule, as promtool reads them, with names of their own."""
        timing = self.prospect.timing
        recorded: list[dict[str, object]] = [
            {"record": self.named(name), "expr": self.named(expr)} for name, expr in self.drawn.recordings
        ]
        alert: dict[str, object] = {
            "alert": "A",
            "expr": self.named(self.drawn.expr),
            "for": f"{timing.for_:g}s",
            "keep_firing_for": f"{timing.keep_firing_for:g}s",
            "labels": {"case": str(self.number)},
        }
        return [*recorded, alert]

    def named(self, text: str) -> str:
        """Give each metric of a text a name of its own, for many rules share one test."""
        return _METRIC.sub(lambda found: f"r{self.number}_{found[0]}", text)

    def series(self, scrape: float) -> dict[str, str]:
        """Return the series as promtool reads them."""
        ats = [number * scrape for number in range(int(_HORIZON_SECONDS / scrape))]
        return {
            self.named(name): " ".join(_sample(value(at, self.begins, self.ends)) for at in ats)
            for name, value in self.drawn.series.items()
        }


def _sample(value: float | None) -> str:
    return "_" if value is None else f"{value:.6f}"


@dataclass(frozen=True)
class Seen:
    """When the alert was pending or firing first, fired first, and fired last (in seconds); None if never."""

    pending: float | None
    firing: float | None
    last: float | None


def foretell(draw: random.Random, number: int, grid: tuple[float, float]) -> Foretold:
    """Draw a rule and a fault, and let explain foretell it."""
    drawn = draw_one(draw)
    wait, keep = draw.choice(FORS), draw.choice((0, 0, 0, 60))
    timing = Timing(*grid, wait, keep)
    rule = RuleRecord(
        alert="A", group="g", expr=drawn.expr, for_seconds=wait, keep_firing_for_seconds=keep,
        interval_seconds=grid[1], labels={}, annotations={}, health="ok",
    )  # fmt: skip
    recordings = [RecordingRule(name, expr, "g", at, grid[1]) for at, (name, expr) in enumerate(drawn.recordings)]
    unfolded = unfold(drawn.expr, "g", len(recordings), by_name(recordings))
    located = LocatedRule(rule, timing, "", (), unfolded)
    (explained,) = explain([located], RuleContext(rules=(rule,))).rules
    foretold = explained.prospect
    problems = frozenset(one.name for one in explained.remarks if one.severity == "problem")
    begins = _STARTS_AT + grid[0] * draw.choice((0.01, 0.3, 0.6, 0.99))
    return Foretold(drawn, number, foretold, problems, begins, begins + _length(draw, drawn, foretold))


def _length(draw: random.Random, drawn: Drawn, foretold: Prospect) -> float:
    if drawn.seconds is not None:
        return drawn.seconds
    shortest = _shortest(drawn, foretold)
    if shortest is None:
        return LONG_SECONDS
    lucky, certain = shortest
    choices = [LONG_SECONDS, certain + 0.5, *([lucky - 0.5] if lucky > 1 else [])]
    return min(draw.choice(choices), LONG_SECONDS)


def _shortest(drawn: Drawn, foretold: Prospect) -> tuple[float, float] | None:
    rows = [row for table in foretold.tables for row in table.rows if drawn.row and row.size == drawn.row]
    return rows[0].shortest if rows and not drawn.recordings else foretold.shortest if drawn.is_seen else None


def simulate(foretold: Sequence[Foretold], grid: tuple[float, float]) -> dict[int, Seen]:
    """Return from promtool what became of each rule."""
    rules = [rule for one in foretold for rule in one.rules] + [_AT]
    series = dict(pair for one in foretold for pair in one.series(grid[0]).items())
    queries = [
        "min by (case) (min_over_time(alert_at[2h]))",
        'min by (case) (min_over_time(alert_at{alertstate="firing"}[2h]))',
        'max by (case) (max_over_time(alert_at{alertstate="firing"}[2h]))',
    ]
    with TemporaryDirectory() as folder:
        pending, first, last = answers(Path(folder), rules, series, queries, grid)
    found = ((one.number, str(one.number)) for one in foretold)
    return {number: Seen(pending.get(case), first.get(case), last.get(case)) for number, case in found}


def contradictions(one: Foretold, seen: Seen) -> Iterator[str]:
    """Yield each sentence of explain that did not come true."""
    told, length = one.prospect, one.ends - one.begins
    if one.problems != ({one.drawn.problem} - {""}):
        yield f"its problems are {sorted(one.problems)}, not {one.drawn.problem or 'none'}"
    if one.drawn.problem and (seen.firing is not None) == (one.drawn.kind == "never true"):
        yield f"{one.drawn.problem} is told of a rule that {'fires' if seen.firing else 'does not fire'}"
    if one.drawn.problem:
        return
    if seen.pending is not None and seen.pending < one.begins:
        # It holds without the fault.
        return
    spans = dict(_windows(one))
    shortest = _shortest(one.drawn, told)
    if shortest is not None and length < shortest[0] and seen.firing is not None:
        yield f"it fired in a fault of {length:g} s, shorter than {shortest[0]:g} s"
    if shortest is not None and length > shortest[1] and seen.firing is None:
        yield f"it did not fire in a fault of {length:g} s, longer than {shortest[1]:g} s"
    if seen.firing is None or seen.last is None or seen.pending is None:
        return
    shown = {
        "pending": seen.pending - one.begins,
        "firing": seen.firing - one.begins,
        "resolved": seen.last + told.timing.interval - one.ends,
    }
    for name, (earliest, latest) in spans.items():
        if not earliest - _SLACK_SECONDS <= shown[name] <= latest + _SLACK_SECONDS:
            yield f"{name} at {shown[name]:g} s, not within {earliest:g} … {latest:g} s"


def _windows(one: Foretold) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield the windows that hold for the size of a fault: those of the rule, or those of its row."""
    if one.drawn.is_seen:
        yield from ((leg.name, (leg.earliest, leg.latest)) for leg in one.prospect.legs)
        return
    for table in one.prospect.tables:
        for row in table.rows:
            if row.size == one.drawn.row and row.pending and row.firing and not one.drawn.recordings:
                yield from (("pending", row.pending), ("firing", row.firing))


@dataclass(frozen=True)
class Proof:
    """How many rules were compared, how many of each kind were drawn and fired, and every contradiction.

    `broken` is how many have a problem, and `unknown` how many others have a window without an end.
    """

    rules: int
    drawn: dict[str, int]
    fired: dict[str, int]
    broken: int
    unknown: int
    contradictions: list[str]


def prove(count: int, seed: int, at_once: int = 100) -> Proof:
    """Compare a number of drawn rules with promtool, many in one test."""
    draw = random.Random(seed)  # noqa: S311 - a draw that can be repeated
    drawn: dict[str, int] = {}
    fired: dict[str, int] = {}
    found: list[str] = []
    broken = unknown = 0
    for first in range(0, count, at_once):
        grid = draw.choice(GRIDS)
        batch = [foretell(draw, number, grid) for number in range(first, min(first + at_once, count))]
        seen = simulate(batch, grid)
        for one in batch:
            kind = one.drawn.kind
            drawn[kind] = drawn.get(kind, 0) + 1
            fired[kind] = fired.get(kind, 0) + (seen[one.number].firing is not None)
            unknown += math.isinf(one.prospect.legs[0].latest) and not one.drawn.problem
            broken += bool(one.drawn.problem)
            found += [
                f"{kind}: {one.prospect.expr} for {one.prospect.timing.for_:g} s, scrape {grid[0]:g} s, evaluation"
                f" {grid[1]:g} s, fault {one.drawn.row or one.ends - one.begins}: {text}"
                for text in contradictions(one, seen[one.number])
            ]
    return Proof(count, drawn, fired, broken, unknown, found)
