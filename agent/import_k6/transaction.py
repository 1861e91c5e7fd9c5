"""Converts the function that k6 repeats: its one request and the checks on the answer; notes everything else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from alertdrill.agent.import_k6.answers import Answers
from alertdrill.agent.import_k6.checks import read_checks
from alertdrill.agent.import_k6.constants import declare, evaluate, hide_all
from alertdrill.agent.import_k6.flow import FUNCTIONS, calls_made
from alertdrill.agent.import_k6.names import Names
from alertdrill.agent.import_k6.notes import Notes, UnusableScript
from alertdrill.agent.import_k6.request import REQUESTS, read_request
from alertdrill.agent.import_k6.scope import Scope
from alertdrill.agent.import_k6.syntax import Node

_HTTP = "k6/http."
_WRITE_BY_HAND = "write a later request, and what it takes from this answer, under then"
_LOOP = ("the loop", "one transaction is one request")
_BRANCH = ("the branch", "a transaction is the same every time")
_STATEMENTS = {
    "do_statement": _LOOP,
    "for_in_statement": _LOOP,
    "for_statement": _LOOP,
    "if_statement": _BRANCH,
    "switch_statement": _BRANCH,
    "try_statement": ("the try block", "a probe counts failures by itself, and catches none"),
    "while_statement": _LOOP,
}
_COMPUTED = "a probe has a request and its checks, and runs no code"


@dataclass
class Transaction:
    """The keys of the request and of its checks, and the sleeps of an iteration in seconds."""

    request: dict[str, Any] | None = None
    checks: dict[str, dict[str, Any]] = field(default_factory=dict)
    sleeps: list[float | None] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, Any]:
        """The request and its checks as a probe has them."""
        return (self.request or {}) | ({"checks": list(self.checks.values())} if self.checks else {})


def read_transaction(function: Node, scope: Scope, names: Names, notes: Notes) -> Transaction:
    """Read a function; raises UnusableScript when it makes no request that can be converted."""
    inner = scope.inner()
    hide_all(function.fields.get("parameter") or function.fields["parameters"], inner)
    walk = _Walk(names, notes)
    walk.statements(_body(function), inner)
    if walk.found.request is None:
        raise _no_request(function, names)
    return walk.found


def _body(function: Node) -> tuple[Node, ...]:
    body = function.fields["body"]
    return body.children if body.kind == "statement_block" else (body,)


def _no_request(function: Node, names: Names) -> UnusableScript:
    for call in function.walk():
        if call.kind == "call_expression" and _http_function(names.called(call)) in REQUESTS:
            return UnusableScript(call.line, f"{call.excerpt} does not always run, expected one request that does")
    return UnusableScript(function.line, "makes no request with k6/http, expected one such as http.get(url)")


def _http_function(called: str) -> str:
    return called.removeprefix(_HTTP) if called.startswith(_HTTP) else ""


class _Walk:
    """Reads the statements of a function in the order in which they run."""

    def __init__(self, names: Names, notes: Notes) -> None:
        self._names = names
        self._notes = notes
        self._call: Node | None = None
        self._answers: set[str] = set()
        self._calls = {"k6.check": self._check, "k6.group": self._group, "k6.sleep": self._sleep}
        self.found = Transaction()

    def statements(self, nodes: tuple[Node, ...], scope: Scope) -> None:
        for node in nodes:
            self._statement(node, scope)
            if node.kind in {"return_statement", "throw_statement"}:
                return

    def _statement(self, node: Node, scope: Scope) -> None:
        if node.kind == "statement_block":
            self.statements(node.children, scope.inner())
            return
        for call in calls_made(node):
            self._make(call, scope)
        if node.kind in {"lexical_declaration", "variable_declaration"}:
            for declarator in node.children:
                self._declare(declarator, scope)
        elif node.kind == "function_declaration":
            scope.hide(node.fields["name"])
            self._notes.not_carried(node.line, f"function {node.fields['name'].text}", _COMPUTED)
        elif node.kind != "return_statement" and not self._is_handled(node):
            what, why = _STATEMENTS.get(node.kind) or (node.excerpt, self._reason(node))
            self._notes.not_carried(node.line, what, why)

    def _is_handled(self, node: Node) -> bool:
        expression = node.children[0] if node.kind == "expression_statement" else node
        if expression.kind == "assignment_expression":
            self._bind(expression.fields["left"], expression.fields["right"])
            expression = expression.fields["right"]
        return expression.kind == "string" or self._is_handled_call(expression)

    def _is_handled_call(self, node: Node) -> bool:
        """Return whether an expression is a call that `_make` has converted or noted."""
        if node.kind == "await_expression":
            return self._is_handled_call(node.children[0])
        name = self._names.called(node) if node.kind == "call_expression" else ""
        return name in self._calls or name.startswith(_HTTP)

    def _reason(self, node: Node) -> str:
        called = next((call.fields["function"] for call in calls_made(node)), None)
        root = called.fields["object"].text if called is not None and "object" in called.fields else ""
        return "a probe writes no log" if root == "console" else _COMPUTED

    def _declare(self, declarator: Node, scope: Scope) -> None:
        value = declarator.fields.get("value")
        if value is not None and self._is_handled_call(value):
            self._bind(declarator.fields["name"], value)
            scope.hide(declarator.fields["name"])
            return
        declare(declarator, scope, self._names, self._notes)

    def _bind(self, target: Node, value: Node) -> None:
        """Record whether a variable holds the answer of the request."""
        value = value.children[0] if value.kind == "await_expression" else value
        if value is self._call:
            self._answers.add(target.text)
        else:
            self._answers.discard(target.text)

    def _make(self, call: Node, scope: Scope) -> None:
        name = self._names.called(call)
        if name in self._calls:
            self._calls[name](call, scope)
        elif _http_function(name) in REQUESTS:
            self._request(_http_function(name), call, scope)
        elif name.startswith(_HTTP):
            self._notes.not_carried(call.line, call.excerpt, "only a single request has a counterpart")

    def _request(self, function: str, call: Node, scope: Scope) -> None:
        if self.found.request is not None:
            self._notes.not_carried(call.line, call.excerpt, f"there is a request above; {_WRITE_BY_HAND}")
            return
        arguments = [evaluate(argument, scope) for argument in call.fields["arguments"].children]
        self.found.request = read_request(function, arguments, call.line, self._notes)
        self._call = call

    def _check(self, call: Node, scope: Scope) -> None:
        answer, *rest = call.fields["arguments"].children or (call,)
        is_answer = answer is self._call or (answer.kind == "identifier" and answer.text in self._answers)
        if not is_answer or not rest:
            self._notes.not_carried(call.line, call.excerpt, "it is not about the answer of the request above")
            return
        answers = Answers(frozenset(self._answers), scope)
        for name, check in read_checks(evaluate(rest[0], scope), answers, self.found.checks.keys(), self._notes):
            self.found.checks[name] = check
        for tags in rest[1:]:
            self._notes.not_carried(tags.line, "the argument with tags", "a check has a name and no tags")

    def _sleep(self, call: Node, scope: Scope) -> None:
        value = next((evaluate(argument, scope).content for argument in call.fields["arguments"].children), None)
        self.found.sleeps.append(float(value) if isinstance(value, int | float) else None)
        self._notes.not_carried(call.line, call.excerpt, "the load is an open loop, and arrivals do not wait for it")

    def _group(self, call: Node, scope: Scope) -> None:
        name, *callbacks = call.fields["arguments"].children or (call,)
        why = "a probe has no groups; its content is read as if it were outside"
        self._notes.not_carried(call.line, f"group({name.excerpt})", why)
        for callback in callbacks:
            if callback.kind in FUNCTIONS:
                self.statements(_body(callback), scope.inner())
