"""The names that an expression can see: what the script imports, and its variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from alertdrill.agent.import_k6.draws import Draws
from alertdrill.agent.import_k6.environment import Environment
from alertdrill.agent.import_k6.files import ScriptFiles
from alertdrill.agent.import_k6.notes import NotCarried
from alertdrill.agent.import_k6.syntax import Node
from alertdrill.agent.import_k6.values import Undefined, Unknown, Value, unknown

_WHOLE = "*"


class Names:
    """The imported names of a file."""

    def __init__(self) -> None:
        self._bound: dict[str, tuple[str, str]] = {}

    def bind(self, statement: Node) -> dict[str, str]:
        """Add the names of an `import` statement, and return what each of them is in its module."""
        module = module_of(statement)
        exported = dict(_imported(statement))
        self._bound |= {local: (module, name) for local, name in exported.items()}
        return exported

    def bind_required(self, pattern: Node, module: str) -> None:
        """Add the names of `const { check } = require('k6')`."""
        if pattern.kind == "identifier":
            self._bound[pattern.text] = (module, _WHOLE)
        for key in pattern.children:
            target = key.fields.get("value", key)
            self._bound[target.text] = (module, key.fields.get("key", key).text)

    def called(self, call: Node) -> str:
        """Return the called function, such as `k6/http.post` or `k6.check`; empty if it is not one of a module."""
        function = call.fields["function"]
        if function.kind == "identifier":
            module, exported = self._bound.get(function.text, ("", _WHOLE))
            return "" if exported == _WHOLE else f"{module}.{exported}"
        if function.kind != "member_expression":
            return ""
        module, exported = self._bound.get(function.fields["object"].text, ("", ""))
        return f"{module}.{function.fields['property'].text}" if exported == _WHOLE else ""

    def made_by(self, name: str) -> str:
        """Return the module from which a name was imported; empty if it was not imported."""
        return self._bound.get(name, ("", ""))[0]


def module_of(statement: Node) -> str:
    """Return the module of an `import` statement."""
    return statement.fields["source"].text[1:-1]


def _imported(statement: Node) -> Iterable[tuple[str, str]]:
    for node in statement.walk():
        if node.kind in {"import_clause", "namespace_import"}:
            yield from ((child.text, _WHOLE) for child in node.children if child.kind == "identifier")
        elif node.kind == "import_specifier":
            exported = node.fields["name"].text
            yield node.fields.get("alias", node.fields["name"]).text, _WHOLE if exported == "default" else exported


@dataclass(frozen=True)
class Context:
    """What all expressions of one file share.

    `changed` has the line in which a variable changes, `kept` the first values of those that are empty until a virtual user
    sets them, `results` what the calls that were followed returned,
    and `unread` the modules that are not read, with the reason.
    """

    changed: Mapping[str, int] = field(default_factory=dict)
    names: Names = field(default_factory=Names)
    draws: Draws = field(default_factory=Draws)
    files: ScriptFiles = field(default_factory=ScriptFiles)
    kept: dict[str, Value] = field(default_factory=dict)
    results: dict[Node, Value] = field(default_factory=dict)
    environment: Environment = field(default_factory=Environment)
    unread: dict[str, NotCarried] = field(default_factory=dict)


def _is_empty(content: object) -> bool:
    return content is None or content is False or content == "" or isinstance(content, Undefined)


class Scope:
    """The variables of a block and of the blocks around it."""

    def __init__(self, context: Context, outer: Scope | None = None) -> None:
        self.context = context
        self.depth: int = 0 if outer is None else outer.depth
        self._outer = outer
        self._values: dict[str, Value] = {}

    def inner(self) -> Scope:
        """Return the scope of a block inside this one."""
        return Scope(self.context, self)

    def declare(self, name: Node, value: Value) -> None:
        """Set the value of a declared name.

        At the top level, one that changes anywhere is unknown, unless it is empty until its first use; within a
        function, changes are followed in their order.
        """
        if self.depth == 0 and name.text in self.context.changed and _is_empty(value.content):
            self.context.kept[name.text] = value
        elif self.depth == 0 and name.text in self.context.changed:
            line = self.context.changed[name.text]
            why = f"{name.text} is not a constant, it is changed in line {line}"
            value = Value(name.line, Unknown(name, name.line, why))
        self.set(name.text, value)

    def set(self, name: str, value: Value) -> None:
        """Set the value of a name in this block."""
        self._values[name] = value

    def assign(self, name: str, value: Value) -> None:
        """Set the value of a name in the block that declares it."""
        if name in self._values or self._outer is None or self._outer.look_up(name) is None:
            self.set(name, value)
        else:
            self._outer.assign(name, value)

    def is_of_function(self, name: str) -> bool:
        """Whether a name is declared within a function, and so anew in each of its calls."""
        if name in self._values:
            return self.depth > 0
        return self._outer is not None and self._outer.is_of_function(name)

    def hide(self, name: Node) -> None:
        """Mark a name as not constant, such as a parameter."""
        self.set(name.text, unknown(name))

    def look_up(self, name: str) -> Value | None:
        """Return the value of a name; None if it is not declared here."""
        if name in self._values:
            return self._values[name]
        return self._outer.look_up(name) if self._outer else None

    def read_file(self, line: int, name: str) -> str:
        """Return the text of a file beside the script; raises NotCarried."""
        try:
            return self.context.files.read(name)
        except OSError as error:
            raise NotCarried(line, f"{name} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise NotCarried(line, f"{name} is not UTF-8 text") from error
