"""Converts the callbacks of `check(response, {…})` to the checks of a request, with the same names."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from pydantic import TypeAdapter

from alertdrill.agent.import_k6.condition import Answers, read_condition
from alertdrill.agent.import_k6.constants import called_scope, declare
from alertdrill.agent.import_k6.notes import NotCarried, Notes, refusal_as_not_carried
from alertdrill.agent.import_k6.scope import Scope
from alertdrill.agent.import_k6.syntax import Node
from alertdrill.agent.import_k6.values import Assumed, EnvText, Function, Template, Unknown, Value, YamlKeys, entries
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
    if isinstance(name, Template | EnvText):
        raise NotCarried(value.line, "its name is not a constant")
    if name in taken:
        raise NotCarried(value.line, "another check has the same name")
    if not isinstance(value.content, Unknown | Function | Assumed):
        raise NotCarried(value.line, "it does not use the answer")
    condition, answers = _condition(value, answers)
    settings = read_condition(condition, answers)
    with refusal_as_not_carried(condition.line):
        title = _CHECK.validate_python(settings).title
    # `{status: 201}` needs no name; the name of any other check is kept.
    needs_no_name = not name or ("status" in settings and title == name)
    return settings if needs_no_name else {"name": name} | settings


def _condition(value: Value, answers: Answers) -> tuple[Node, Answers]:
    """Return the expression that a callback returns, and what it can see."""
    content = value.content
    if not isinstance(content, Function):
        if content.node is None:
            raise NotCarried(value.line, "it does not use the answer")
        return content.node, answers
    node = content.node
    scope = called_scope(content, [answers.given], answers.scope.depth)
    if scope is None:
        raise NotCarried(node.line, "it calls itself")
    body = node.fields["body"]
    if body.kind != "statement_block":
        return body, replace(answers, scope=scope)
    return _returned(node, body.children, scope), replace(answers, scope=scope)


def _returned(node: Node, statements: Sequence[Node], scope: Scope) -> Node:
    """Return the expression that a callback returns after its constants, perhaps in a `try`; raises NotCarried."""
    *before, last = statements or [node]
    for statement in before:
        if statement.kind not in {"lexical_declaration", "variable_declaration"}:
            raise NotCarried(node.line, "the callback does more than return a comparison")
        for declarator in statement.children:
            declare(declarator, scope, Notes())
    if last.kind == "try_statement":
        return _returned(node, last.fields["body"].children, scope)
    if last.kind != "return_statement" or not last.children:
        raise NotCarried(node.line, "the callback does more than return a comparison")
    return last.children[0]
