"""Reads the top level of a script: imports, exports, constants and functions."""

from __future__ import annotations

from alertdrill.agent.import_k6.constants import declare
from alertdrill.agent.import_k6.flow import changes
from alertdrill.agent.import_k6.names import Names
from alertdrill.agent.import_k6.notes import NotCarried, Notes, UnusableScript
from alertdrill.agent.import_k6.scope import Scope
from alertdrill.agent.import_k6.syntax import Node
from alertdrill.agent.import_k6.values import Value, entries

_LIFE_CYCLE = {"setup", "teardown", "handleSummary"}
_FUNCTIONS = {"arrow_function", "function_declaration", "function_expression"}
_DECLARATIONS = {"lexical_declaration", "variable_declaration"}


class Script:
    """The top level of a script."""

    def __init__(self, program: Node, notes: Notes) -> None:
        self.names = Names()
        self.scope = Scope(changes(program))
        self._notes = notes
        self._functions: dict[str, Node] = {}
        self._exported: dict[str, str] = {}
        for statement in program.children:
            self._take(statement)

    def options(self) -> dict[str, Value]:
        """Return the options by name; raises UnusableScript where there are none."""
        value = self.scope.look_up(self._exported.get("options", ""))
        if value is None:
            raise UnusableScript(None, "has no options, expected export const options = {…}")
        try:
            return entries(value)
        except NotCarried as reason:
            raise UnusableScript(reason.line, f"the options cannot be read: {reason.why}") from reason

    def function(self, exported: str) -> Node:
        """Return an exported function, and note all others; raises UnusableScript where there is none of that name."""
        local = self._exported.get(exported, "")
        for name, function in self._functions.items():
            if name != local:
                why = "a probe has no setup and no teardown" if name in _LIFE_CYCLE else "a probe runs no code"
                self._notes.not_carried(function.line, f"function {name}", why)
        if local in self._functions:
            return self._functions[local]
        name = "default function" if exported == "default" else f"function {exported}"
        raise UnusableScript(
            None, f"has no {name}, expected export {name.removesuffix(' function')} … {{ http.get(…) }}"
        )

    def _take(self, node: Node) -> None:
        if node.kind == "import_statement":
            self._import(node)
        elif node.kind == "export_statement":
            self._export(node)
        elif node.kind in _DECLARATIONS | _FUNCTIONS:
            self._declare(node)
        elif not (node.kind == "expression_statement" and node.children[0].kind == "string"):
            self._notes.not_carried(node.line, node.excerpt, "a probe runs no code")

    def _import(self, node: Node) -> None:
        module = self.names.bind(node)
        # The calls of k6's own modules have their own notes.
        if module != "k6" and not module.startswith("k6/"):
            self._notes.not_carried(node.line, f"the import of {module}", "only the script itself is read")

    def _export(self, node: Node) -> None:
        value = node.fields.get("declaration") or node.fields.get("value")
        if "source" in node.fields:
            self._notes.not_carried(node.line, node.excerpt, "only the script itself is read")
        elif value is None:
            self._export_clause(node)
        elif "default" in node.tokens:
            self._export_default(value)
        else:
            for name in self._declare(value):
                self._exported[name] = name

    def _export_clause(self, node: Node) -> None:
        for specifier in node.walk():
            if specifier.kind == "export_specifier":
                name = specifier.fields["name"].text
                self._exported[specifier.fields.get("alias", specifier.fields["name"]).text] = name

    def _export_default(self, value: Node) -> None:
        if value.kind == "identifier":
            self._exported["default"] = value.text
        elif value.kind in _FUNCTIONS:
            self._exported["default"] = "default"
            self._functions["default"] = value

    def _declare(self, node: Node) -> list[str]:
        """Add a declaration, and return the declared names."""
        if node.kind not in _DECLARATIONS:
            name = node.fields["name"]
            self.scope.hide(name)
            self._functions[name.text] = node
            return [name.text]
        return [self._variable(declarator) for declarator in node.children]

    def _variable(self, declarator: Node) -> str:
        name, value = declarator.fields["name"], declarator.fields.get("value")
        if value is not None and value.kind in _FUNCTIONS:
            self.scope.hide(name)
            self._functions[name.text] = value
        else:
            declare(declarator, self.scope, self.names, self._notes)
        return name.text
