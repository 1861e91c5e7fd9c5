"""Reads the top level of a script and of its own modules: imports, exports, constants and functions."""

from __future__ import annotations

from alertdrill.agent.import_k6.constants import bind, declare, evaluate, run
from alertdrill.agent.import_k6.files import ScriptFiles
from alertdrill.agent.import_k6.flow import changes, changes_in_functions
from alertdrill.agent.import_k6.notes import NotCarried, Notes, UnusableScript
from alertdrill.agent.import_k6.scope import Context, Scope, module_of
from alertdrill.agent.import_k6.syntax import Node, parse
from alertdrill.agent.import_k6.values import Function, Unknown, Value, entries, unknown

_LIFE_CYCLE = {"teardown", "handleSummary"}
_FUNCTIONS = {"arrow_function", "function_declaration", "function_expression"}
_DECLARATIONS = {"lexical_declaration", "variable_declaration"}
_KNOWN_MODULES = ("https://jslib.k6.io/k6-utils/", "https://jslib.k6.io/papaparse/")
_TYPES = {"interface_declaration", "type_alias_declaration", "ambient_declaration"}
_MOST_MODULES = 100


class Script:
    """The top level of a script, or of one of its modules.

    `shared` has what all files of a script share, and `loading` are the modules that import this one.
    """

    def __init__(
        self,
        program: Node,
        notes: Notes,
        files: ScriptFiles,
        shared: Context | None = None,
        loading: tuple[str, ...] = (),
    ) -> None:
        shared = shared or Context()
        self.context = Context(
            changes_in_functions(program),
            draws=shared.draws,
            files=files,
            environment=shared.environment,
            unread=shared.unread,
        )
        self.scope = Scope(self.context)
        self._notes = notes
        self._loading = loading
        self._exported: dict[str, str] = {}
        for statement in program.children:
            self._hoist(statement)
        for statement in program.children:
            self._take(statement)

    def options(self) -> dict[str, Value]:
        """Return the options by name; raises UnusableScript where they cannot be read."""
        value = self.scope.look_up(self._exported.get("options", ""))
        if value is None:
            return {}
        try:
            return entries(value)
        except NotCarried as reason:
            raise UnusableScript(reason.line, f"the options cannot be read: {reason.why}") from reason

    def exported(self, name: str) -> Value | None:
        """Return what the file exports by a name; None if there is nothing."""
        return self.scope.look_up(self._exported.get(name, ""))

    @property
    def all_exported(self) -> dict[str, Value]:
        """Everything that the file exports."""
        found = {name: self.exported(name) for name in self._exported}
        return {name: value for name, value in found.items() if value is not None}

    def function(self, exported: str) -> Function:
        """Return an exported function; raises UnusableScript where there is none of that name."""
        value = self.exported(exported)
        if value is not None and isinstance(value.content, Function):
            return value.content
        name = "default function" if exported == "default" else f"function {exported}"
        expected = f"export {name.removesuffix(' function')} … {{ http.get(…) }}"
        raise UnusableScript(None, f"has no {name}, expected {expected}")

    def note_other_functions(self, used: set[str]) -> None:
        """Note the exported functions that are not among `used`."""
        for name, value in self.all_exported.items():
            if isinstance(value.content, Function) and name not in used | {"options"}:
                why = "a probe has no setup and no teardown" if name in _LIFE_CYCLE else "a probe runs no code"
                self._notes.not_carried(value.content.node.line, f"function {name}", why)

    def _hoist(self, node: Node) -> None:
        """Declare functions first: they can be called above their line."""
        declared = node.fields.get("declaration", node) if node.kind == "export_statement" else node
        if declared.kind == "function_declaration":
            self._declare(declared)

    def _take(self, node: Node) -> None:
        if node.kind == "import_statement":
            self._import(node)
        elif node.kind == "export_statement":
            self._export(node)
        elif node.kind in _DECLARATIONS | _FUNCTIONS:
            self._declare(node)
        elif node.kind not in _TYPES and not self._is_common_export(node) and not _is_directive(node):
            self._run(node)

    def _is_common_export(self, node: Node) -> bool:
        """Read `module.exports = { a }` and `exports.a = …`; return whether it was one."""
        made = node.children[0] if node.kind == "expression_statement" else node
        target = made.fields["left"].text if made.kind == "assignment_expression" else ""
        if target != "module.exports" and not target.startswith(("module.exports.", "exports.")):
            return False
        value = evaluate(made.fields["right"], self.scope)
        whole = value.content if isinstance(value.content, dict) else {"default": value}
        for name, item in whole.items() if target == "module.exports" else [(target.rpartition(".")[2], value)]:
            self._exported[name] = f"exports.{name}"
            self.scope.set(f"exports.{name}", item)
        return True

    def _run(self, node: Node) -> None:
        """Read a statement that sets variables; note any other one, and take as unknown what it may change."""
        try:
            run([node], self.scope)
        except NotCarried:
            self._notes.not_carried(node.line, node.excerpt, "a probe runs no code")
            for name, line in changes(node).items():
                before = self.scope.look_up(name)
                if before is not None:
                    why = f"{name} is not a constant, it is changed in line {line}"
                    self.scope.set(name, Value(before.line, Unknown(node, before.line, why)))

    def _import(self, node: Node) -> None:
        module = module_of(node)
        names = self.context.names.bind(node)
        # The calls of k6's own modules have their own notes.
        if module == "k6" or module.startswith(("k6/", *_KNOWN_MODULES)) or "type" in node.tokens:
            return
        try:
            exported = self._module(node.line, module)
        except NotCarried as reason:
            self._notes.lost(f"the import of {module}", reason)
            self.context.unread[module] = reason
            return
        for local, name in names.items():
            self._bind_import(node, local, name, exported)

    def _is_required(self, declarator: Node) -> bool:
        """Read `const http = require('k6/http')`; return whether it was one."""
        call = declarator.fields.get("value", declarator)
        if call.kind != "call_expression" or call.fields["function"].text != "require":
            return False
        argument = call.fields["arguments"].children[0]
        module = argument.text[1:-1]
        if module == "k6" or module.startswith("k6/"):
            self.context.names.bind_required(declarator.fields["name"], module)
            return True
        try:
            whole = Value(call.line, self._module(call.line, module))
        except NotCarried as reason:
            self._notes.lost(f"the import of {module}", reason)
            whole = unknown(call)
        bind(declarator.fields["name"], whole, self.scope)
        return True

    def _bind_import(self, node: Node, local: str, name: str, exported: dict[str, Value]) -> None:
        is_namespace = any(one.kind == "namespace_import" for one in node.walk())
        whole = Value(node.line, exported)
        value = whole if is_namespace else exported.get("default" if name == "*" else name)
        self.scope.set(local, value or unknown(node))

    def _module(self, line: int, module: str) -> dict[str, Value]:
        """Return what another file of the script exports; raises NotCarried."""
        if not module.startswith((".", "/")):
            raise NotCarried(line, "only the script and its own files are read")
        text = self.scope.read_file(line, module)
        path = str(self.context.files.path(module))
        if path in self._loading or len(self._loading) >= _MOST_MODULES:
            raise NotCarried(line, "it imports itself")
        try:
            program = parse(text, self.context.files.path(module).name, self.context.files.shown(module))
        except UnusableScript as error:
            raise NotCarried(line, f"in line {error.place.strip(':') or 1} it {error.why}") from error
        notes = Notes()
        files = self.context.files.within(module)
        script = Script(program, notes, files, self.context, (*self._loading, path))
        return script.all_exported

    def _export(self, node: Node) -> None:
        value = node.fields.get("declaration") or node.fields.get("value")
        if "source" in node.fields:
            self._export_from(node)
        elif value is None:
            self._export_clause(node)
        elif "default" in node.tokens:
            self._export_default(value)
        elif value.kind not in _TYPES:
            for name in self._declare(value):
                self._exported[name] = name

    def _export_from(self, node: Node) -> None:
        module = module_of(node)
        try:
            exported = self._module(node.line, module)
        except NotCarried as reason:
            self._notes.lost(node.excerpt, reason)
            return
        specifiers = [one for one in node.walk() if one.kind == "export_specifier"]
        names = {one.fields["name"].text: one.fields.get("alias", one.fields["name"]).text for one in specifiers}
        for name, value in exported.items():
            if name in names or (not specifiers and name != "default"):
                self._exported[names.get(name, name)] = f"{module}.{name}"
                self.scope.set(f"{module}.{name}", value)

    def _export_clause(self, node: Node) -> None:
        for specifier in node.walk():
            if specifier.kind == "export_specifier":
                name = specifier.fields["name"].text
                self._exported[specifier.fields.get("alias", specifier.fields["name"]).text] = name

    def _export_default(self, value: Node) -> None:
        if value.kind == "identifier":
            self._exported["default"] = value.text
            return
        self._exported["default"] = "default"
        if value.kind in _FUNCTIONS:
            self.scope.set("default", Value(value.line, Function(value, self.scope)))
            if "name" in value.fields:
                self._declare(value)
        else:
            self.scope.set("default", evaluate(value, self.scope))

    def _declare(self, node: Node) -> list[str]:
        """Add a declaration, and return the declared names."""
        if node.kind not in _DECLARATIONS:
            name = node.fields.get("name")
            if name is None:
                return []
            content: object = Function(node, self.scope)
            if node.kind not in _FUNCTIONS:
                content = Unknown(node, node.line, f"{node.excerpt} is not a constant")
            self.scope.set(name.text, Value(node.line, content))
            return [name.text]
        for declarator in node.children:
            if not self._is_required(declarator):
                declare(declarator, self.scope, self._notes)
        return [declarator.fields["name"].text for declarator in node.children if "name" in declarator.fields]


def _is_directive(node: Node) -> bool:
    """Whether it is `'use strict';`."""
    return node.kind == "expression_statement" and node.children[0].kind == "string"
