"""Each form of an explanation of rules: for a terminal, as Markdown, as JSON; then the wording that they share."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from alertdrill.agent.report import markdown
from alertdrill.agent.report.markdown import code, plain
from alertdrill.agent.report.words import printable
from alertdrill.agent.rules import prospect as prospects
from alertdrill.agent.rules.explanation import ExplainedRule, Explanation
from alertdrill.agent.rules.prospect import Leg, Prospect
from alertdrill.agent.rules.remark import Remark
from alertdrill.units.duration import format_seconds

JSON_VERSION = 1
_COLOURS = {"problem": "red", "weakness": "yellow", "note": "dim"}
_MARKS = {"problem": "✗", "weakness": "!", "note": "·"}
_SIZES_HEAD = ("fault", "must be bad", "pending", "firing", "shortest fault")


def as_text(explanation: Explanation) -> RenderableType:
    """Render each rule for a terminal: its window with the arithmetic, what it must see, and the remarks on it.

    It reads as well without colour, at 80 columns.
    """
    parts: list[RenderableType] = []
    for rule in explanation.rules:
        parts += _rule_parts(rule)
    if not explanation.rules:
        parts.append(Text("no alerting rules"))
    for kpi in explanation.unwatched:
        parts.append(Text(printable(f"no rule watches: {kpi.name} {kpi.objective}"), style="yellow"))
    return Group(*parts)


def _rule_parts(rule: ExplainedRule) -> list[RenderableType]:
    title = Text(printable(rule.located.rule.alert), style="bold")
    title.append(f"  {printable(rule.located.place)}", style="dim")
    parts: list[RenderableType] = [title]
    lines = (_one_line(rule.located.rule.expr), _waits_words(rule), _kind_words(rule.prospect))
    parts += [_indented(Text(printable(line))) for line in lines]
    parts += [_indented(_legs_table(rule.prospect))]
    shortest = _shortest_words(rule.prospect)
    if shortest is not None:
        parts.append(_indented(Text(shortest)))
    parts += [_indented(_sizes_table(table)) for table in rule.prospect.tables]
    parts += [_indented(Text(printable(line), style="dim")) for line in rule.located.basis]
    parts += [_remark_lines(remark) for remark in rule.remarks]
    return [*parts, Text()]


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2))


def _legs_table(prospect: Prospect) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in ("after the fault", "soonest", "latest"):
        table.add_column(
            name, justify="left" if name == "after the fault" else "right", no_wrap=name != "after the fault"
        )
    table.add_column("")
    has_ended = False
    for leg in prospect.legs:
        if leg.after_the_end and not has_ended:
            table.add_row(Text("after its end", style="dim"))
            has_ended = True
        soonest, latest = seconds_words(leg.earliest), seconds_words(leg.latest)
        table.add_row(Text(printable(leg.name)), soonest, latest, Text(leg.arithmetic, style="dim"))
    return table


def _sizes_table(sizes: prospects.Table) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in _SIZES_HEAD:
        table.add_column(name)
    for row in sizes.rows:
        table.add_row(*_size_cells(row))
    return Group(Text(f"{sizes.formula}:", style="dim"), table) if sizes.formula else table


def _remark_lines(remark: Remark) -> RenderableType:
    colour = _COLOURS[remark.severity]
    line = Text(f"{_MARKS[remark.severity]} {remark.severity} ({remark.name}): ", style=colour)
    line.append(printable(remark.text), style="default")
    remedy = Text(printable(f"→ {remark.remedy}"), style="dim")
    return Group(_indented(line), Padding(remedy, (0, 0, 0, 4)))


def as_markdown(explanation: Explanation) -> str:
    """Write a heading for each rule and one sentence a line, ending in a newline."""
    blocks = ["# Alerting rules: when they fire, and what they miss"]
    for rule in explanation.rules:
        blocks += _rule_blocks(rule)
    if explanation.unwatched:
        blocks.append("## Promises that no rule watches")
        blocks.append("\n".join(f"- {plain(f'{kpi.name} {kpi.objective}')}" for kpi in explanation.unwatched))
    return "\n\n".join(blocks) + "\n"


def _rule_blocks(rule: ExplainedRule) -> Iterator[str]:
    located = rule.located
    yield f"## {plain(located.rule.alert)}"
    yield f"{code(located.place)}: {plain(_waits_words(rule))}; {_kind_words(rule.prospect)}."
    yield f"```promql\n{printable(located.rule.expr.strip()).replace('```', '')}\n```"
    yield _legs_block([leg for leg in rule.prospect.legs if not leg.after_the_end], "after the fault")
    ended = [leg for leg in rule.prospect.legs if leg.after_the_end]
    if ended:
        yield _legs_block(ended, "after its end")
    shortest = _shortest_words(rule.prospect)
    if shortest is not None:
        yield f"{shortest[0].upper()}{shortest[1:]}."
    yield from (_sizes_block(sizes) for sizes in rule.prospect.tables)
    yield "\n".join(f"- {plain(line)}" for line in located.basis)
    if rule.remarks:
        yield "\n".join(_remark_item(remark) for remark in rule.remarks)


def _legs_block(legs: Iterable[Leg], head: str) -> str:
    rows = [(leg.name, seconds_words(leg.earliest), seconds_words(leg.latest), leg.arithmetic) for leg in legs]
    return markdown.table((head, "soonest", "latest", "how it comes about"), rows)


def _sizes_block(sizes: prospects.Table) -> str:
    table = markdown.table(_SIZES_HEAD, map(_size_cells, sizes.rows))
    return f"`{sizes.formula}`:\n\n{table}" if sizes.formula else table


def _remark_item(remark: Remark) -> str:
    return f"- **{remark.severity}** ({remark.name}): {plain(remark.text)}.\n  Remedy: {plain(remark.remedy)}."


def as_json(explanation: Explanation) -> str:
    """Write JSON for a program, with stable keys, ending in a newline.

    rules: alert, place, expr, kind, basis; window: the milestones, in seconds after the fault, or after its end where
    `after_the_end` is true; `latest` is null where it is not known; faults: sizes, each with what it needs, null where
    the alert never fires; shortest_fault: the shortest that can fire it, and the shortest that always does; remarks:
    name, severity (problem, weakness, note), text, remedy.
    unwatched: promises that no rule watches.
    Keys may be added; existing keys keep their meaning as long as `version` stays.
    """
    answer = {
        "version": JSON_VERSION,
        "rules": [_rule_object(rule) for rule in explanation.rules],
        "unwatched": [{"kpi": kpi.name, "objective": kpi.objective} for kpi in explanation.unwatched],
    }
    return json.dumps(answer, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _rule_object(explained: ExplainedRule) -> dict[str, Any]:
    located, outlook = explained.located, explained.prospect
    return {
        "alert": located.rule.alert,
        "group": located.rule.group,
        "place": located.place,
        "expr": located.rule.expr,
        "for_seconds": located.rule.for_seconds,
        "labels": located.rule.labels,
        "kind": outlook.shape.kind,
        "basis": list(located.basis),
        "scrape_seconds": located.timing.scrape,
        "interval_seconds": located.timing.interval,
        "window": [_leg_object(leg) for leg in outlook.legs],
        "faults": [_size_object(row) for table in outlook.tables for row in table.rows],
        "shortest_fault": _span_pair(outlook.shortest),
        "remarks": [
            {"name": one.name, "severity": one.severity, "text": one.text, "remedy": one.remedy}
            for one in explained.remarks
        ],
    }


def _leg_object(leg: Leg) -> dict[str, Any]:
    return {
        "name": leg.name,
        "earliest": _finite_seconds(leg.earliest),
        "latest": _finite_seconds(leg.latest),
        "after_the_end": leg.after_the_end,
        "arithmetic": leg.arithmetic,
    }


def _size_object(row: prospects.SizeRow) -> dict[str, Any]:
    return {
        "fault": row.size,
        "bad_seconds": None if row.bad_seconds is None else _finite_seconds(row.bad_seconds),
        "pending": _span_pair(row.pending),
        "firing": _span_pair(row.firing),
        "shortest_fault": _span_pair(row.shortest),
    }


def _span_pair(span: tuple[float, float] | None) -> list[float | None] | None:
    return None if span is None else [_finite_seconds(span[0]), _finite_seconds(span[1])]


def _finite_seconds(seconds: float) -> float | None:
    return None if math.isinf(seconds) else round(seconds, 3)


def seconds_words(seconds: float) -> str:
    """Format seconds as `1m45s`, or a question mark where the time is not known."""
    return "?" if math.isinf(seconds) else format_seconds(seconds)


def _span_words(span: tuple[float, float] | None) -> str:
    """Format the soonest and the latest time as `1m … 1m45s`, or a dash where there is none."""
    return "—" if span is None else f"{seconds_words(span[0])} … {seconds_words(span[1])}"


def _size_cells(row: prospects.SizeRow) -> tuple[str, ...]:
    must_be_bad = "never fires" if row.bad_seconds is None else f"{row.bad_seconds:.4g} s"
    return (row.size, must_be_bad, *map(_span_words, (row.pending, row.firing, row.shortest)))


def _waits_words(explained: ExplainedRule) -> str:
    """Format what the rule waits for: `for 1m, evaluated every 15s, severity critical`."""
    rule = explained.located.rule
    parts = [f"for {format_seconds(rule.for_seconds)}"] if rule.for_seconds else ["without `for`"]
    if rule.keep_firing_for_seconds:
        parts.append(f"keep_firing_for {format_seconds(rule.keep_firing_for_seconds)}")
    parts.append(f"evaluated every {format_seconds(rule.interval_seconds)}")
    if "severity" in rule.labels:
        parts.append(f"severity {rule.labels['severity']}")
    return ", ".join(parts)


def _kind_words(prospect: Prospect) -> str:
    """Name the kind of the expression, and its longest range."""
    shape = prospect.shape
    over = f", over {format_seconds(shape.range_seconds)}" if shape.range_seconds else ""
    return shape.words + over


def _shortest_words(prospect: Prospect) -> str | None:
    """Describe the shortest fault that fires the alert; None where it is not known."""
    if prospect.shortest is None:
        return None
    lucky, certain = prospect.shortest
    soonest = f"{format_seconds(lucky)} with luck" if lucky else "any length with luck"
    return f"shortest fault that fires it: {soonest}, {format_seconds(certain)} for certain"


def _one_line(text: str) -> str:
    return " ".join(text.split())
