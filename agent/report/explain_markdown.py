"""The page of `alertdrill explain` as Markdown, one sentence a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from alertdrill.agent.report import explain_words as spelled
from alertdrill.agent.report.markdown import code, plain, table
from alertdrill.agent.report.words import printable
from alertdrill.agent.rules.explanation import ExplainedRule, Explanation
from alertdrill.agent.rules.prospect import Leg, Table
from alertdrill.agent.rules.remark import Remark


def render(explanation: Explanation) -> str:
    """Render a heading for each rule, ending in a newline."""
    blocks = ["# Alerting rules: when they fire, and what they miss"]
    for rule in explanation.rules:
        blocks += _rule(rule)
    if explanation.unwatched:
        blocks.append("## Promises that no rule watches")
        blocks.append("\n".join(f"- {plain(f'{kpi.name} {kpi.objective}')}" for kpi in explanation.unwatched))
    return "\n\n".join(blocks) + "\n"


def _rule(rule: ExplainedRule) -> Iterator[str]:
    given = rule.located
    yield f"## {plain(given.rule.alert)}"
    yield f"{code(given.place)}: {plain(spelled.waits_words(rule))}; {spelled.kind_words(rule.prospect)}."
    yield f"```promql\n{printable(given.rule.expr.strip()).replace('```', '')}\n```"
    yield _legs([leg for leg in rule.prospect.legs if not leg.after_the_end], "after the fault")
    ended = [leg for leg in rule.prospect.legs if leg.after_the_end]
    if ended:
        yield _legs(ended, "after its end")
    shortest = spelled.shortest_words(rule.prospect)
    if shortest is not None:
        yield f"{shortest[0].upper()}{shortest[1:]}."
    yield from (_sizes(sizes) for sizes in rule.prospect.tables)
    yield "\n".join(f"- {plain(line)}" for line in given.basis)
    if rule.remarks:
        yield "\n".join(_remark(remark) for remark in rule.remarks)


def _legs(legs: Iterable[Leg], head: str) -> str:
    rows = [
        (leg.name, spelled.seconds_words(leg.earliest), spelled.seconds_words(leg.latest), leg.arithmetic)
        for leg in legs
    ]
    return table((head, "soonest", "latest", "how it comes about"), rows)


def _sizes(sizes: Table) -> str:
    rows = [
        (row.size, spelled.needs_words(row), *map(spelled.span_words, (row.pending, row.firing, row.shortest)))
        for row in sizes.rows
    ]
    head = ("fault", "must be bad", "pending", "firing", "shortest fault")
    return "\n\n".join([*([f"`{sizes.formula}`:"] if sizes.formula else []), table(head, rows)])


def _remark(remark: Remark) -> str:
    return f"- **{remark.severity}** ({remark.name}): {plain(remark.text)}.\n  Remedy: {plain(remark.remedy)}."
