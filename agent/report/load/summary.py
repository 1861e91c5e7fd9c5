"""The summary at the end of a load, in the layout of k6 1.8 and with its names; our own figures come last.

`export` is the JSON of k6's `--summary-export`: times in milliseconds, and `true` beside a threshold means that it
was crossed. Our own figures are beside k6's metrics (`latency`, `lateness`, `in_flight`) and under the key `load`:
rates per second, seconds, whether the load was sent as requested and why not, failures by reason, and the phases.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, Any

from rich.text import Text

from alertdrill.agent.report import words
from alertdrill.probes.figures.measures import Counter, Gauge, Measure, Rate, Trend, split
from alertdrill.probes.figures.summary import LoadSummary
from alertdrill.probes.figures.thresholds import JudgedThreshold
from alertdrill.probes.spelling import duration_text, number_text, share_text

if TYPE_CHECKING:
    from alertdrill.agent.scorecard.phase_result import PhaseResult


_STATS: dict[str, Callable[[Trend], float]] = {
    "avg": lambda trend: trend.avg,
    "min": lambda trend: trend.min,
    "med": lambda trend: trend.med,
    "max": lambda trend: trend.max,
    "p(90)": lambda trend: trend.percentile(90),
    "p(95)": lambda trend: trend.percentile(95),
}
OUR_STATS: dict[str, Callable[[Trend], float]] = {**_STATS, "p(99)": lambda trend: trend.percentile(99)}
"""The figures of a trend in seconds, by k6's names; k6 itself does not show the last one."""
_HTTP = (
    "http_req_blocked",
    "http_req_connecting",
    "http_req_duration",
    "http_req_failed",
    "http_req_tls_handshaking",
    "http_reqs",
)
_EXECUTION = ("dropped_iterations", "iteration_duration", "iterations")
_OURS = ("in_flight", "lateness", "latency")


@dataclass(frozen=True, slots=True)
class _Row:
    """A name and its columns, which align with those of all rows of the same group."""

    name: str
    columns: tuple[str, ...]
    group: str


def render(summary: LoadSummary) -> Text:
    """Render thresholds, checks and figures; print with `soft_wrap=True`, because lines may exceed 80 columns."""
    blocks = [_thresholds(summary), [_title("TOTAL RESULTS")], *_checks(summary), *_sections(summary)]
    lines = [line for block in blocks if block for line in (*block, Text())]
    for line in lines:
        line.rstrip()
    return Text("\n").join(lines[:-1])


def _title(title: str) -> Text:
    return Text.assemble("  █ ", (title, "bold"))


def _thresholds(summary: LoadSummary) -> list[Text]:
    judged = sorted(summary.judged, key=lambda one: (split(one.metric)[0], one.metric))
    lines = [_title("THRESHOLDS"), Text()] if judged else []
    metrics = {one.metric for one in judged}
    for metric, of_metric in groupby(judged, key=lambda one: one.metric):
        name = split(metric)[0]
        inside = metric != name and name in metrics
        margin = " " * (6 if inside else 4)
        lines.append(Text(margin + _one_line(metric.removeprefix(name) if inside else metric)))
        lines += [_threshold(margin, one) for one in of_metric]
        lines.append(Text())
    return lines


def _threshold(margin: str, judged: JudgedThreshold) -> Text:
    figure, equals, value = judged.spelling.partition("=")
    mark = ("✓", "green") if judged.ok else ("✗", "red")
    return Text.assemble(margin, mark, f" '{_one_line(judged.source)}' {figure}{equals}", (value, "cyan"))


def _checks(summary: LoadSummary) -> list[list[Text]]:
    total = summary.measures.get("checks")
    if not isinstance(total, Rate):
        return []
    failed = Rate(total.fails, total.total)
    rows = [
        _Row("checks_total", columns(Counter(total.total, summary.seconds)), "checks"),
        _Row("checks_succeeded", columns(total), "checks"),
        _Row("checks_failed", columns(failed), "checks"),
    ]
    return [_table(rows, rows), [line for name, check in summary.checks.items() for line in _check(name, check)]]


def _check(name: str, check: Rate) -> list[Text]:
    if check.empty:
        return [Text(f"    ? {_one_line(name)}", "yellow"), Text("      ↳  no samples", "yellow")]
    if check.fails == 0:
        return [Text(f"    ✓ {_one_line(name)}", "green")]
    held = f"{100 * check.passes // check.total}% — ✓ {check.passes} / ✗ {check.fails}"
    return [Text(f"    ✗ {_one_line(name)}", "red"), Text(f"      ↳  {held}", "red")]


def _sections(summary: LoadSummary) -> list[list[Text]]:
    sections = {
        "HTTP": _rows(summary, _HTTP),
        "EXECUTION": _rows(summary, _EXECUTION),
        "LOAD": [*_honest(summary), *_rates(summary), *_rows(summary, _OURS), *_failures(summary)],
    }
    every = [row for rows in sections.values() for row in rows]
    return [[Text(f"    {title}", "bold"), *_table(rows, every)] for title, rows in sections.items() if rows]


def _rows(summary: LoadSummary, names: tuple[str, ...]) -> list[_Row]:
    shown = [(key, measure) for key, measure in summary.shown.items() if split(key)[0] in names]
    values = "ours" if names is _OURS else "values"
    stats = OUR_STATS if names is _OURS else _STATS
    return [
        _Row(_display_name(key), columns(measure, stats), "trends" if isinstance(measure, Trend) else values)
        for key, measure in shown
    ]


def _honest(summary: LoadSummary) -> list[_Row]:
    if summary.honesty is None:
        return []
    if summary.honesty.is_honest:
        return [_Row("honest", ("yes",), "honest")]
    return [_Row("honest", ("no", "; ".join(summary.honesty.reasons)), "honest")]


def _rates(summary: LoadSummary) -> list[_Row]:
    target, achieved = summary.target_rate, summary.achieved_rate
    share = (f"{share_text(achieved / target)} of the target",) if target else ()
    return [
        _Row("target_rate", (f"{target:.2f}/s",), "rates"),
        _Row("achieved_rate", (f"{achieved:.2f}/s", *share), "rates"),
    ]


def _failures(summary: LoadSummary) -> list[_Row]:
    reasons = sorted(summary.reasons.items(), key=lambda reason: (-reason[1], reason[0]))
    rows = [_Row("failed", (str(sum(summary.reasons.values())),), "failures")]
    return rows + [
        _Row(f"  {{ {reason} }}", (str(count), _one_line(summary.details.get(reason, ""))), "failures")
        for reason, count in reasons
    ]


def _display_name(key: str) -> str:
    name = split(key)[0]
    return _one_line(name if key == name else f"  {{ {key.removeprefix(name)[1:-1]} }}")


def _one_line(text: str) -> str:
    return words.printable(text.replace("\n", " "))


def columns(measure: Measure, stats: dict[str, Callable[[Trend], float]] = _STATS) -> tuple[str, ...]:
    """Format the figures of a measure as k6 does, the most important first."""
    if isinstance(measure, Trend):
        return tuple(f"{name}={duration_text(stat(measure))}" for name, stat in stats.items())
    if isinstance(measure, Rate):
        return (share_text(measure.rate), f"{measure.passes} out of {measure.total}")
    if isinstance(measure, Gauge):
        return (number_text(measure.value), f"min={number_text(measure.min)}", f"max={number_text(measure.max)}")
    return (number_text(measure.count), f"{number_text(measure.rate)}/s")


def _table(rows: Iterable[_Row], aligned_with: list[_Row]) -> list[Text]:
    """Format rows: dots fill each name to the width of the longest, at least three."""
    name_width = max(len(row.name) for row in aligned_with) + 3
    return [_line(row, name_width, _widths(aligned_with, row.group)) for row in rows]


def _widths(rows: list[_Row], group: str) -> list[int]:
    columns = zip_longest(*(row.columns for row in rows if row.group == group), fillvalue="")
    return [max(map(len, column)) for column in columns]


def _line(row: _Row, name_width: int, widths: list[int]) -> Text:
    line = Text.assemble("    ", row.name, ("." * (name_width - len(row.name)) + ":", "dim"))
    for index, (column, width) in enumerate(zip(row.columns, widths, strict=False)):
        stat, equals, value = column.partition("=") if row.group == "trends" else ("", "", column)
        style = "cyan" if index == 0 or row.group == "trends" else "dim cyan"
        line.append(f" {stat}{equals}").append(value.ljust(width - len(stat + equals)), style)
    return line


def export(summary: LoadSummary, phases: Sequence[PhaseResult] = ()) -> str:
    """Export everything as JSON text, ending in a newline."""
    checks = {name: _exported_check(name, check) for name, check in summary.checks.items()}
    metrics = {key: _exported(key, measure) for key, measure in summary.shown.items()}
    for one in summary.judged:
        metrics[one.metric].setdefault("thresholds", {})[one.source] = not one.ok
    report = {
        "root_group": {"name": "", "path": "", "id": _id(""), "groups": {}, "checks": checks},
        "metrics": metrics,
        "load": {
            "target_rate": summary.target_rate,
            "achieved_rate": summary.achieved_rate,
            "seconds": summary.seconds,
            **_exported_honesty(summary),
            "failed": {
                reason: {"count": count, "detail": summary.details.get(reason, "")}
                for reason, count in summary.reasons.items()
            },
            **({"phases": [_exported_phase(phase) for phase in phases]} if phases else {}),
        },
    }
    return json.dumps(report, indent=4, ensure_ascii=False, allow_nan=False) + "\n"


def _exported_phase(phase: PhaseResult) -> dict[str, Any]:
    figures = ("name", "rate", "seconds", "asked_rate", "achieved_rate", "failed_share", "passed")
    latencies = ("p50_seconds", "p95_seconds", "p99_seconds")
    kpis = {
        score.kpi.name: {"value": words.finite(score.worst_value), "status": score.status.value}
        for score in phase.scores
    }
    reasons = {"failures": list(phase.failures), "notes": list(phase.notes)}
    return {name: getattr(phase, name) for name in (*figures, *latencies)} | reasons | {"kpis": kpis}


def _exported_honesty(summary: LoadSummary) -> dict[str, Any]:
    if summary.honesty is None:
        return {}
    return {"honest": summary.honesty.is_honest, "dishonest_because": list(summary.honesty.reasons)}


def _exported(key: str, measure: Measure) -> dict[str, Any]:
    if isinstance(measure, Trend):
        stats = OUR_STATS if split(key)[0] in _OURS else _STATS
        # Six decimals of a millisecond are nanoseconds; smaller digits come from multiplying floats.
        return {name: round(stat(measure) * 1000, 6) for name, stat in stats.items()}
    if isinstance(measure, Rate):
        return {"passes": measure.passes, "fails": measure.fails, "value": measure.rate}
    if isinstance(measure, Gauge):
        return {"value": measure.value, "min": measure.min, "max": measure.max}
    return {"count": measure.count, "rate": measure.rate}


def _exported_check(name: str, check: Rate) -> dict[str, Any]:
    path = f"::{name}"
    return {"name": name, "path": path, "id": _id(path), "passes": check.passes, "fails": check.fails}


def _id(path: str) -> str:
    # k6 identifies groups and checks by the MD5 of their path.
    return hashlib.md5(path.encode(), usedforsecurity=False).hexdigest()


# A name, dots and a colon; columns follow, each after a space.
_LEADER = re.compile(r"\s*\S.*?\.{3,}: ")
_COLUMN = re.compile(r"(?<= )\S+")


def fold(text: Text, width: int) -> Text:
    """Break lines between their columns, so that none exceeds `width` cells; lines without columns stay as they are."""
    lines = Text("\n")
    return lines.join(part for line in text.split("\n", allow_blank=True) for part in _fold_line(line, width))


def _fold_line(line: Text, width: int) -> list[Text]:
    leader = _LEADER.match(line.plain)
    if leader is None or len(line) <= width:
        return [line]
    indent = leader.end()
    breaks: list[int] = []
    start = 0
    for column in list(_COLUMN.finditer(line.plain, indent))[1:]:
        if column.end() - start + (indent if breaks else 0) > width:
            start = column.start()
            breaks.append(start)
    parts = list(line.divide(breaks))
    for part in parts:
        part.rstrip()
    return [parts[0], *(Text(" " * indent).append_text(part) for part in parts[1:])]
