"""The page of `alertdrill explain` as Markdown, one sentence a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agent.report import explain_words as spelled
from agent.report.words import printable
from agent.verdict.explanation import Explained, Explanation
from agent.verdict.prospect import Leg, Table
from agent.verdict.remark import Remark


def render(explanation: Explanation) -> str:
    """Render a heading for each rule, ending in a newline."""
    blocks = ["# Alerting rules: when they fire, and what they miss"]
    for rule in explanation.rules:
        blocks += _rule(rule)
    if explanation.unwatched:
        blocks.append("## Promises that no rule watches")
        blocks.append("\n".join(f"- {_plain(f'{kpi.name} {kpi.objective}')}" for kpi in explanation.unwatched))
    return "\n\n".join(blocks) + "\n"


def _rule(rule: Explained) -> Iterator[str]:
    given = rule.given
    yield f"## {_plain(given.rule.alert)}"
    yield f"{_code(given.place)}: {_plain(spelled.waits_words(rule))}; {spelled.kind_words(rule.prospect)}."
    yield f"```promql\n{printable(given.rule.expr.strip()).replace('```', '')}\n```"
    yield _legs([leg for leg in rule.prospect.legs if not leg.after_the_end], "after the fault")
    ended = [leg for leg in rule.prospect.legs if leg.after_the_end]
    if ended:
        yield _legs(ended, "after its end")
    shortest = spelled.shortest_words(rule.prospect)
    if shortest is not None:
        yield f"{shortest[0].upper()}{shortest[1:]}."
    yield from (_sizes(table) for table in rule.prospect.tables)
    yield "\n".join(f"- {_plain(line)}" for line in given.basis)
    if rule.remarks:
        yield "\n".join(_remark(remark) for remark in rule.remarks)


def _legs(legs: Iterable[Leg], head: str) -> str:
    rows = [
        (leg.name, spelled.seconds_words(leg.earliest), spelled.seconds_words(leg.latest), leg.arithmetic)
        for leg in legs
    ]
    return _table((head, "soonest", "latest", "how it comes about"), rows)


def _sizes(table: Table) -> str:
    rows = [
        (row.size, spelled.needs_words(row), *map(spelled.span_words, (row.pending, row.firing, row.shortest)))
        for row in table.rows
    ]
    head = ("fault", "must be bad", "pending", "firing", "shortest fault")
    return "\n\n".join([*([f"`{table.formula}`:"] if table.formula else []), _table(head, rows)])


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *(tuple(map(_cell, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _remark(remark: Remark) -> str:
    return f"- **{remark.severity}** ({remark.name}): {_plain(remark.text)}.\n  Remedy: {_plain(remark.remedy)}."


def _cell(text: str) -> str:
    return _plain(text).replace("|", r"\|")


def _plain(text: str) -> str:
    """Keep a foreign text from being markup, save for code between backticks."""
    quiet = printable(spelled.one_line(text)).replace("``", "''").replace("<", r"\<")
    pieces = quiet.split("`")
    if len(pieces) % 2 == 0:
        return quiet.replace("`", "'")
    # Within code a backslash would be shown.
    return "`".join(
        piece.replace(r"\<", "<") if number % 2 else piece.replace("*", r"\*").replace("_", r"\_")
        for number, piece in enumerate(pieces)
    )


def _code(text: str) -> str:
    return f"`{printable(text).replace('`', '')}`"
