"""Each form of an explanation of rules: for a terminal, as Markdown, as JSON; then the wording that they share."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from alertdrill.agent.report import markdown
from alertdrill.agent.report.markdown import code, plain
from alertdrill.agent.report.terminal_rows import Column, Line, Piece, RenderedLines, paragraph, table
from alertdrill.agent.report.words import printable
from alertdrill.agent.rules import prospect as prospects
from alertdrill.agent.rules.explanation import CheckFinding, ExplainedRule, Explanation, LocatedRule
from alertdrill.agent.rules.labels import listed
from alertdrill.agent.rules.prospect import Leg, Prospect
from alertdrill.agent.rules.remark import Remark
from alertdrill.units.duration import format_seconds

JSON_VERSION = 1
_COLOURS = {"problem": "red", "weakness": "yellow", "note": "dim"}
_MARKS = {"problem": "✗", "weakness": "!", "note": "·"}
_LEGS_COLUMNS = (
    Column("after the fault"),
    Column("soonest", is_number=True),
    Column("latest", is_number=True),
    Column("", style="dim"),
)
_SIZES_HEAD = ("fault", "must be bad", "pending", "firing", "shortest fault")
_SIZES_COLUMNS = tuple(map(Column, _SIZES_HEAD))
_RULES_AT_ONCE = 50
_WEAKNESS_TEXTS, _RULES_NAMED = 3, 8


def as_text(explanation: Explanation) -> Iterator[RenderedLines]:
    """Yield the rules as a terminal shows them, some at once.

    Each has its window with the arithmetic, what it must see, and the remarks on it. It reads as well without colour, at
    80 columns.
    """
    # Rich asks for the size of the terminal before each print.
    for at in range(0, len(explanation.rules), _RULES_AT_ONCE):
        yield RenderedLines(partial(_rules_lines, explanation.rules[at : at + _RULES_AT_ONCE]))
    if explanation.findings:
        yield RenderedLines(partial(_findings_lines, explanation.findings))
    if not explanation.rules:
        yield RenderedLines(partial(paragraph, [("no alerting rules", "")]))
    for kpi in explanation.unwatched:
        text = printable(f"no rule watches: {kpi.name} {kpi.objective}")
        yield RenderedLines(partial(paragraph, [(text, "yellow")]))


def _rules_lines(rules: Iterable[ExplainedRule], width: int) -> Iterator[Line]:
    for rule in rules:
        yield from _rule_lines(rule, width)


def _rule_lines(rule: ExplainedRule, width: int) -> list[Line]:
    located, prospect = rule.located, rule.prospect
    title = [(printable(located.rule.alert), "bold"), (f"  {printable(located.place)}", "bold dim")]
    lines = [*paragraph(title, width)]
    for line in (_one_line(located.rule.expr), _waits_words(rule), _kind_words(prospect)):
        lines += paragraph([(printable(line), "")], width, 2)
    lines += table(_LEGS_COLUMNS, _legs_rows(prospect.legs), width, 2)
    shortest = _shortest_words(prospect)
    if shortest is not None:
        lines += paragraph([(shortest, "")], width, 2)
    for sizes in prospect.tables:
        if sizes.formula:
            lines += paragraph([(f"{sizes.formula}:", "dim")], width, 2)
        lines += table(_SIZES_COLUMNS, map(_size_cells, sizes.rows), width, 2)
    for line in located.basis:
        lines += paragraph([(printable(line), "dim")], width, 2)
    if rule.remarks:
        lines += paragraph([(f"findings: {_names_of_findings(rule.remarks)}", "")], width, 2)
    return [*lines, ()]


def _legs_rows(legs: Iterable[Leg]) -> Iterator[tuple[str | Piece, ...]]:
    has_ended = False
    for leg in legs:
        if leg.after_the_end and not has_ended:
            yield ("after its end", "dim"), "", "", ""
            has_ended = True
        yield printable(leg.name), seconds_words(leg.earliest), seconds_words(leg.latest), leg.arithmetic


def _findings_lines(findings: Iterable[CheckFinding], width: int) -> Iterator[Line]:
    """Yield each finding once, the worst first, with its rules."""
    for finding in findings:
        colour = _COLOURS[finding.severity]
        head = f"{_MARKS[finding.severity]} {finding.severity} ({finding.name}), {_count_words(finding.rules)}: "
        for number, (remark, rules) in enumerate(_shown(finding)):
            pieces = [(printable(remark.text), colour if colour == "dim" else "")]
            yield from paragraph(pieces if number else [(head, colour), *pieces], width, 4 if number else 0)
            yield from paragraph([(printable(f"→ {remark.remedy}"), "dim")], width, 4)
            yield from paragraph([(printable(_rules_words(rules)), "dim")], width, 4)
        if rest := _left_words(finding):
            yield from paragraph([(printable(rest), "dim")], width, 4)
    yield ()


def _shown(finding: CheckFinding) -> Sequence[tuple[Remark, tuple[LocatedRule, ...]]]:
    """Return the texts of a finding that are shown: all of a problem, some of a weakness, one of a note."""
    return finding.told[: {"problem": None, "weakness": _WEAKNESS_TEXTS, "note": 1}[finding.severity]]


def _left_words(finding: CheckFinding) -> str:
    """Name the rules of a finding whose own texts are not shown."""
    left = [rule for _, rules in finding.told[len(_shown(finding)) :] for rule in rules]
    return f"also, in other words: {_rules_words(left)}" if left else ""


def _rules_words(rules: Sequence[LocatedRule]) -> str:
    return listed((f"{one.rule.alert} ({one.place})" for one in rules), _RULES_NAMED)


def _count_words(rules: Sequence[LocatedRule]) -> str:
    return "1 rule" if len(rules) == 1 else f"{len(rules)} rules"


def _names_of_findings(remarks: Iterable[Remark]) -> str:
    return ", ".join(f"{_MARKS[one.severity]} {one.name}" for one in remarks)


def as_markdown(explanation: Explanation) -> str:
    """Write a heading for each rule and one sentence a line, ending in a newline."""
    blocks = ["# Alerting rules: when they fire, and what they miss"]
    for rule in explanation.rules:
        blocks += _rule_blocks(rule)
    if explanation.findings:
        blocks.append("## Findings")
        blocks.append("\n".join(item for finding in explanation.findings for item in _finding_items(finding)))
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
        yield f"Findings: {plain(_names_of_findings(rule.remarks))}."


def _legs_block(legs: Iterable[Leg], head: str) -> str:
    rows = [(leg.name, seconds_words(leg.earliest), seconds_words(leg.latest), leg.arithmetic) for leg in legs]
    return markdown.table((head, "soonest", "latest", "how it comes about"), rows)


def _sizes_block(sizes: prospects.Table) -> str:
    table = markdown.table(_SIZES_HEAD, map(_size_cells, sizes.rows))
    return f"`{sizes.formula}`:\n\n{table}" if sizes.formula else table


def _finding_items(finding: CheckFinding) -> Iterator[str]:
    for remark, rules in _shown(finding):
        yield f"- **{remark.severity}** ({remark.name}): {plain(remark.text)}.\n  Remedy: {plain(remark.remedy)}."
        yield f"  Rules: {plain(_rules_words(rules))}."
    if rest := _left_words(finding):
        yield f"  {plain(rest[0].upper() + rest[1:])}."


def as_json(explanation: Explanation) -> str:
    """Write JSON for a program, with stable keys, ending in a newline.

    rules: alert, place, expr, kind, basis; window: the milestones, in seconds after the fault, or after its end where
    `after_the_end` is true; `latest` is null where it is not known; faults: sizes, each with what it needs, null where
    the alert never fires; shortest_fault: the shortest that can fire it, and the shortest that always does; remarks:
    name, severity (problem, weakness, note), text, remedy.
    unwatched: promises that no rule watches. findings: each check that found anything, the worst first, with its rules.
    Keys may be added; existing keys keep their meaning as long as `version` stays.
    """
    answer = {
        "version": JSON_VERSION,
        "rules": [],
        "unwatched": [{"kpi": kpi.name, "objective": kpi.objective} for kpi in explanation.unwatched],
        "findings": [
            {
                "name": one.name,
                "severity": one.severity,
                "rules": [{"alert": rule.rule.alert, "place": rule.place} for rule in one.rules],
            }
            for one in explanation.findings
        ],
    }
    # The objects of all rules at once would be a million, which the garbage collector would visit again and again.
    rules = [_dumped(_rule_object(rule)).replace("\n", "\n    ") for rule in explanation.rules]
    before, after = _dumped(answer).split("[]", 1)
    listed = "[\n    " + ",\n    ".join(rules) + "\n  ]" if rules else "[]"
    return f"{before}{listed}{after}\n"


def _dumped(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)


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
    if certain <= 0:
        return "shortest fault that fires it: any length, for certain"
    soonest = f"{format_seconds(lucky)} with luck" if lucky else "any length with luck"
    return f"shortest fault that fires it: {soonest}, {format_seconds(certain)} for certain"


def _one_line(text: str) -> str:
    return " ".join(text.split())
