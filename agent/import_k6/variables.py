"""Reads declarations of variables: keeps constant values, and notes all others."""

from __future__ import annotations

from alertdrill.agent.import_k6.constants import evaluate
from alertdrill.agent.import_k6.names import Names
from alertdrill.agent.import_k6.notes import Notes
from alertdrill.agent.import_k6.scope import Scope
from alertdrill.agent.import_k6.syntax import Node
from alertdrill.agent.import_k6.values import Unknown, Value

_METRICS = "k6/metrics"
_NAMES = {"identifier", "shorthand_property_identifier_pattern"}


def declare(declarator: Node, scope: Scope, names: Names, notes: Notes) -> None:
    """Set the value of a declared variable in a scope."""
    target, expression = declarator.fields["name"], declarator.fields.get("value")
    if target.kind != "identifier" or expression is None:
        hide_all(target, scope)
        if expression is not None:
            notes.not_carried(target.line, target.excerpt, "destructuring is not read")
        return
    value = evaluate(expression, scope)
    if expression.kind == "new_expression" and names.made_by(expression.fields["constructor"].text) == _METRICS:
        why = "a custom metric has no counterpart"
        value = Value(expression.line, Unknown(expression, expression.line, why))
    scope.declare(target, value)
    if isinstance(value.content, Unknown):
        notes.variable(value.content.line, target.text, value.content.why)


def hide_all(pattern: Node, scope: Scope) -> None:
    """Mark every name in a pattern or in parameters as not constant."""
    for name in pattern.walk():
        if name.kind in _NAMES:
            scope.hide(name)
