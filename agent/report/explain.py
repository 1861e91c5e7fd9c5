"""The page of `alertdrill explain` for a terminal; reads as well without colour, at 80 columns."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from alertdrill.agent.report import explain_words as spelled
from alertdrill.agent.report.words import printable
from alertdrill.agent.rules import prospect as prospects
from alertdrill.agent.rules.explanation import ExplainedRule, Explanation
from alertdrill.agent.rules.remark import Remark

_COLOURS = {"problem": "red", "weakness": "yellow", "note": "dim"}


def render(explanation: Explanation) -> RenderableType:
    """Render each rule: its window with the arithmetic, what it needs to see, and the remarks upon it."""
    parts: list[RenderableType] = []
    for rule in explanation.rules:
        parts += _rule(rule)
    if not explanation.rules:
        parts.append(Text("no alerting rules"))
    for kpi in explanation.unwatched:
        parts.append(Text(printable(f"no rule watches: {kpi.name} {kpi.objective}"), style="yellow"))
    return Group(*parts)


def _rule(rule: ExplainedRule) -> list[RenderableType]:
    title = Text(printable(rule.located.rule.alert), style="bold")
    title.append(f"  {printable(rule.located.place)}", style="dim")
    parts: list[RenderableType] = [title]
    parts += [
        _inside(Text(printable(line)))
        for line in (
            spelled.one_line(rule.located.rule.expr),
            spelled.waits_words(rule),
            spelled.kind_words(rule.prospect),
        )
    ]
    parts += [_inside(_legs(rule.prospect))]
    shortest = spelled.shortest_words(rule.prospect)
    if shortest is not None:
        parts.append(_inside(Text(shortest)))
    parts += [_inside(_sizes(table)) for table in rule.prospect.tables]
    parts += [_inside(Text(printable(line), style="dim")) for line in rule.located.basis]
    parts += [_remark(remark) for remark in rule.remarks]
    return [*parts, Text()]


def _inside(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2))


def _legs(prospect: prospects.Prospect) -> Table:
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
        soonest, latest = spelled.seconds_words(leg.earliest), spelled.seconds_words(leg.latest)
        table.add_row(Text(printable(leg.name)), soonest, latest, Text(leg.arithmetic, style="dim"))
    return table


def _sizes(table: prospects.Table) -> RenderableType:
    drawn = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in ("fault", "must be bad", "pending", "firing", "shortest fault"):
        drawn.add_column(name)
    for row in table.rows:
        spans = (spelled.span_words(span) for span in (row.pending, row.firing, row.shortest))
        drawn.add_row(row.size, spelled.needs_words(row), *spans)
    return Group(Text(f"{table.formula}:", style="dim"), drawn) if table.formula else drawn


def _remark(remark: Remark) -> RenderableType:
    colour = _COLOURS[remark.severity]
    line = Text(f"{spelled.MARKS[remark.severity]} {remark.severity} ({remark.name}): ", style=colour)
    line.append(printable(remark.text), style="default")
    remedy = Text(printable(f"→ {remark.remedy}"), style="dim")
    return Group(_inside(line), Padding(remedy, (0, 0, 0, 4)))
