"""The report for a terminal: readable without colour, at 80 columns."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AuditRecord
from alertdrill.agent.report import words
from alertdrill.agent.report.drill import kpi_phases, wording
from alertdrill.agent.report.scorecard import COLOURS as STATUS_COLOURS
from alertdrill.agent.report.scorecard import MARKS
from alertdrill.agent.verdict.audit import audit_problems
from alertdrill.agent.verdict.verdict import Judgement, Milestone, Verdict

_COLOURS = {"good": "green", "bad": "red", "unsure": "yellow"}
_OVERALL_COLOURS = {0: "green", 1: "red", 3: "yellow"}
_LAWFUL = {True: ("✓", "green"), False: ("✗", "red"), None: ("", "")}
# An instant outside a window that is only expected is not an error.
_EXPECTED = ("~", "yellow")


def render(recording: Recording, judgement: Judgement) -> RenderableType:
    """Render every verdict with its time line, then the load and what undermines the drill."""
    parts: list[RenderableType] = [_heading(recording, judgement)]
    for verdict in judgement.verdicts:
        parts += _verdict(verdict, judgement.fault_at)
    parts.append(Text())
    parts += [Text(words.printable(f"allowed, and fired: {alert}")) for alert in judgement.allowed]
    parts.append(_load(recording))
    parts += [Text(words.printable(f"fault: {said}")) for said in wording.fault_outcomes(recording)]
    if recording.kpis:
        parts += [Text(), _kpis(recording), Text()]
    if recording.audit is not None:
        parts.append(audit_line(recording.audit))
    parts += [Text(words.printable(f"undermined by: {problem}"), style="yellow") for problem in judgement.undermined_by]
    return Group(*parts)


def _heading(recording: Recording, judgement: Judgement) -> Text:
    text = Text()
    text.append(recording.drill.name, style="bold")
    text.append(" ")
    text.append(wording.OVERALL[judgement.exit_code], style=f"bold {_OVERALL_COLOURS[judgement.exit_code]}")
    if attempt := wording.attempt_words(recording):
        text.append(f" {attempt}")
    text.append(f"  {words.utc(recording.started_at)}, {recording.ended_at - recording.started_at:.0f} s")
    return text


def _verdict(verdict: Verdict, fault_at: float) -> list[RenderableType]:
    colour = _COLOURS[wording.tone(verdict.outcome)]
    title = Text("\n")
    headline = f"{wording.mark(verdict.outcome)} {verdict.alert} {wording.outcome_words(verdict.outcome)}"
    title.append(words.printable(headline), f"bold {colour}")
    labels = words.printable(words.labels_words(verdict.labels))
    parts: list[RenderableType] = [title]
    if labels:
        parts.append(Padding.indent(Text(labels, style="dim"), 2))
    if verdict.milestones:
        parts.append(Padding.indent(_timeline(verdict.milestones, fault_at), 2))
    parts.append(Padding.indent(Text(words.printable(verdict.explanation)), 2))
    evidence = verdict.finding.evidence if verdict.finding else ()
    parts += [Padding.indent(Text(words.printable(line), style="dim"), 4) for line in evidence]
    parts += [Padding.indent(Text(words.printable(f"note: {note}"), style="yellow"), 2) for note in verdict.notes]
    if verdict.runbook is not None:
        where = words.printable(f"runbook: {verdict.runbook.page or verdict.runbook.url}")
        parts.append(Padding.indent(Text(where, style="dim"), 2))
    return parts


def _timeline(milestones: tuple[Milestone, ...], fault_at: float) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("after the fault", justify="right", no_wrap=True)
    table.add_column("lawful window", no_wrap=True)
    table.add_column("")
    table.add_row("fault", "+0.00 s", "", "")
    for milestone in milestones:
        sign, colour = _LAWFUL[milestone.lawful] if milestone.judged or milestone.lawful else _EXPECTED
        window = wording.window_words(milestone.window, fault_at)
        table.add_row(
            Text(milestone.name), Text(wording.came(milestone, fault_at)), Text(window), Text(sign, style=colour)
        )
    return table


def _load(recording: Recording) -> Text:
    load = recording.load
    before, during = wording.p95_seconds(recording, "baseline"), wording.p95_seconds(recording, "fault")
    return Text(
        f"load: {load.due} transactions at {wording.reached_rate(recording):.1f} of {load.target_rate:g} a second,"
        f" {load.failed} failed, {load.dropped} dropped;"
        f" p95 {words.latency_words(before)} in the baseline, {words.latency_words(during)} during the fault"
    )


def _kpis(recording: Recording) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("KPI")
    for phase in kpi_phases.phases(recording):
        table.add_column(phase, justify="right")
    table.add_column("target")
    for row in kpi_phases.rows(recording):
        cells = [Text(f"{one.words} {MARKS[one.status]}", style=STATUS_COLOURS[one.status]) for one in row.cells]
        table.add_row(Text(row.name), *cells, Text(row.target))
    return table


def audit_line(audit: AuditRecord) -> Text:
    """Render a payment audit as one line, red when it failed."""
    return Text(words.printable(f"audit: {wording.audit_words(audit)}"), "red" if audit_problems(audit) else "")
