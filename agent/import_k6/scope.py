"""The variables that an expression can see."""

from __future__ import annotations

from collections.abc import Mapping

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
