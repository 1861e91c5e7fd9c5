"""The variables that an expression can see, and how their declarations are read."""

from __future__ import annotations

from collections.abc import Mapping

from alertdrill.agent.import_k6.constants import evaluate
from alertdrill.agent.import_k6.names import Names
from alertdrill.agent.import_k6.notes import Notes
from alertdrill.agent.import_k6.syntax import Node
from alertdrill.agent.import_k6.values import Unknown, Value, unknown


class Scope:
    """The variables of a block and of the blocks around it; `changed` has the line in which a variable changes."""

    def __init__(self, changed: Mapping[str, int], outer: Scope | None = None) -> None:
        self._changed = changed
        self._outer = outer
        self._values: dict[str, Value] = {}

    def inner(self) -> Scope:
        """Return the scope of a block inside this one."""
        return Scope(self._changed, self)

    def declare(self, name: Node, value: Value) -> None:
        """Set the value of a name."""
        if name.text in self._changed:
            line = self._changed[name.text]
            unknown = Unknown(name, name.line, f"{name.text} is not a constant, it is changed in line {line}")
            value = Value(name.line, unknown)
        self._values[name.text] = value

    def hide(self, name: Node) -> None:
        """Mark a name as not constant, such as a parameter."""
        self._values[name.text] = unknown(name)

    def look_up(self, name: str) -> Value | None:
        """Return the value of a name; None if it is not declared here."""
        if name in self._values:
            return self._values[name]
        return self._outer.look_up(name) if self._outer else None


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
