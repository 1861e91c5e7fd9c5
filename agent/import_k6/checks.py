"""Converts the callbacks of `check(response, {…})` to the checks of a request, with the same names."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pydantic import TypeAdapter

from alertdrill.agent.import_k6.answers import Answers
from alertdrill.agent.import_k6.condition import read_condition
from alertdrill.agent.import_k6.constants import hide_all
from alertdrill.agent.import_k6.notes import NotCarried, Notes, refusal_as_not_carried
from alertdrill.agent.import_k6.syntax import Node
from alertdrill.agent.import_k6.values import Unknown, Value, YamlKeys, entries
from alertdrill.probes.checks.checks import Check

_CHECK: TypeAdapter[Check] = TypeAdapter(Check)


def read_checks(
    checks: Value, answers: Answers, taken: Collection[str], notes: Notes
) -> Iterator[tuple[str, YamlKeys]]:
    """Yield each check with its name; `taken` are the names already in use."""
    try:
        named = entries(checks)
    except NotCarried as reason:
        notes.lost("check()", reason)
        return
    for name, value in named.items():
        try:
            yield name, _check(name, value, answers, taken)
        except NotCarried as reason:
            notes.lost(f"check {name!r}", reason)


def _check(name: str, value: Value, answers: Answers, taken: Collection[str]) -> YamlKeys:
    if name in taken:
        raise NotCarried(value.line, "another check has the same name")
    if not isinstance(value.content, Unknown):
        raise NotCarried(value.line, "it does not use the answer")
    condition, answers = _condition(value.content.node, answers)
    settings = read_condition(condition, answers)
    with refusal_as_not_carried(condition.line):
        title = _CHECK.validate_python(settings).title
    # `{status: 201}` needs no name; the name of any other check is kept.
    needs_no_name = not name or ("status" in settings and title == name)
    return settings if needs_no_name else {"name": name} | settings


def _condition(node: Node, answers: Answers) -> tuple[Node, Answers]:
    """Return the expression that a callback returns, and the answer by the name of its parameter."""
    if node.kind not in {"arrow_function", "function_expression", "method_definition"}:
        return node, answers
    parameters = node.fields.get("parameter") or node.fields["parameters"]
    names = [parameters.text] if parameters.kind == "identifier" else [child.text for child in parameters.children]
    # A parameter hides variables of the same name, and only the first one is the answer.
    inner = answers.scope.inner()
    hide_all(parameters, inner)
    answers = Answers({*answers.names} - {*names} | {*names[:1]}, inner)
    body = node.fields["body"]
    if body.kind != "statement_block":
        return body, answers
    returned = body.children[0] if len(body.children) == 1 else None
    if returned is None or returned.kind != "return_statement" or not returned.children:
        raise NotCarried(node.line, "the callback does more than return a comparison")
    return returned.children[0], answers
