"""Several drills in one table: each alert with its milestones and their windows, its verdict, and the payment audit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from alertdrill.agent.console import widened
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.report import words
from alertdrill.agent.report.drill import wording
from alertdrill.agent.verdict.audit import audit_problems
from alertdrill.agent.verdict.verdict import Judgement, Milestone, Verdict

_MILESTONES = ("pending", "firing", "notified", "resolved")
_COLOURS = {"good": "green", "bad": "red", "unsure": "yellow"}
_OVERALL_COLOURS = {0: "green", 1: "red", 3: "yellow"}


def show(console: Console, drills: Sequence[tuple[Recording, Judgement]], requested: int, took_seconds: float) -> None:
    """Print the table, and how many of the requested drills passed; a file or a pipe gets the full width."""
    widened(console).print(render(drills))
    passed = sum(judgement.exit_code == 0 for _, judgement in drills)
    later = "; ".join(
        f"{recording.drill.name} {wording.OVERALL[judgement.exit_code]} {attempt}"
        for recording, judgement in drills
        if (attempt := wording.attempt_words(recording))
    )
    told = f"{passed} of {requested} drills passed in {took_seconds:.1f} s{f' ({later})' if later else ''}"
    console.print(told, soft_wrap=True)


def render(drills: Iterable[tuple[Recording, Judgement]]) -> Table:
    """Draw a row for each verdict; instants and windows are seconds after the fault."""
    table = Table(Column("drill, alert", overflow="fold"), *_MILESTONES, "verdict", "took", "audit", show_lines=True)
    for recording, judgement in drills:
        name, took = recording.drill.name, f"{recording.ended_at - recording.started_at:.1f} s"
        attempt = wording.attempt_words(recording)
        for verdict in judgement.verdicts:
            table.add_row(
                _alert_cell(name, verdict.alert),
                *_cells(verdict, judgement),
                _outcome(verdict, attempt),
                took,
                _audit(recording),
            )
            name, took = "", ""
        if not judgement.verdicts:
            overall = _with(attempt, wording.OVERALL[judgement.exit_code], _OVERALL_COLOURS[judgement.exit_code])
            table.add_row(_alert_cell(name, "no alert"), *[""] * len(_MILESTONES), overall, took, _audit(recording))
    return table


def _alert_cell(drill: str, alert: str) -> Text:
    return Text.assemble((f"{drill}\n" if drill else "", "bold"), words.printable(alert))


def _cells(verdict: Verdict, judgement: Judgement) -> list[Text]:
    by_name = {milestone.name: milestone for milestone in verdict.milestones}
    return [_cell(by_name[name], judgement.fault_at) if name in by_name else Text("") for name in _MILESTONES]


def _cell(milestone: Milestone, fault_at: float) -> Text:
    sign = {True: " ✓", False: " ✗", None: ""}[milestone.lawful if milestone.judged else None]
    window = "" if milestone.window is None else "\n" + wording.window_words(milestone.window, fault_at)
    colour = {"✓": "green", "✗": "red"}.get(sign.strip(), "")
    return Text.assemble((wording.came(milestone, fault_at) + sign, colour), (window, "dim"))


def _outcome(verdict: Verdict, attempt: str) -> Text:
    return _with(attempt, wording.outcome_words(verdict.outcome), _COLOURS[wording.tone(verdict.outcome)])


def _with(attempt: str, outcome: str, colour: str) -> Text:
    return Text.assemble((outcome, colour), (f"\n{attempt}" if attempt else "", "dim"))


def _audit(recording: Recording) -> Text:
    audit = recording.audit
    if audit is None:
        return Text("")
    if audit_problems(audit):
        return Text("failed", "red")
    return Text(f"{audit.found:,} of {audit.acknowledged:,}\nexactly once", "green")
