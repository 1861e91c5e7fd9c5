"""Reads the function that k6 runs in each iteration: its requests, their checks and the sleeps.

The calls that always run are followed in their order, also into the functions of the script and of its own modules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from alertdrill.agent.import_k6.answers import AnswerOf, AnswerPart, Step
from alertdrill.agent.import_k6.checks import read_checks
from alertdrill.agent.import_k6.condition import Answers
from alertdrill.agent.import_k6.constants import (
    assigned,
    bind,
    called_scope,
    declare,
    evaluate,
    hide_all,
    pushed,
    root_of,
    set_target,
)
from alertdrill.agent.import_k6.draws import Draw
from alertdrill.agent.import_k6.flow import FUNCTIONS, calls_made, changed_at_once, changes
from alertdrill.agent.import_k6.notes import NotCarried, Notes, UnusableScript
from alertdrill.agent.import_k6.request import REQUESTS, batched, read_request
from alertdrill.agent.import_k6.scope import Scope
from alertdrill.agent.import_k6.syntax import Node
from alertdrill.agent.import_k6.truth import holds, truth
from alertdrill.agent.import_k6.values import Assumed, Function, Unknown, Value, undefined, unknown

_HTTP = "k6/http."
# What comes before the path of a URL, which may begin with a variable of the environment.
_ORIGIN = re.compile(r"^(?:https?://)?(?:\$\{[^}]*\}|[^/?#$])*")
_LOOP = ("the loop", "a transaction is the same every time, and has no loops")
_BRANCH = ("the branch", "a transaction is the same every time")
_STATEMENTS = {
    "do_statement": _LOOP,
    "for_in_statement": _LOOP,
    "for_statement": _LOOP,
    "if_statement": _BRANCH,
    "switch_statement": _BRANCH,
    "while_statement": _LOOP,
}
_LOOPS = {kind for kind, words in _STATEMENTS.items() if words is _LOOP}
# Calls that an iteration does not wait for: the log, metrics of the script, the cookies of the next request.
_AT_ONCE = re.compile(r"^console\.|\.(?:add|set|push)$")
# Modules of k6 whose calls wait for a server.
_OTHER_PROTOCOLS = ("k6/ws.", "k6/net/", "k6/experimental/", "k6/browser", "k6/grpc")
_SUCCEEDED = "is read as if it always ran, as when the requests before succeed"
_FAILED = "a transaction is the same every time, and ends where a request or a check fails"
_COMPUTED = "a probe has a request and its checks, and runs no code"
_EXPECTED = {"status": ["2xx", "3xx"]}
_LOGICAL = {"&&", "||", "??"}
_LONGEST_LOOP = 20
_SENDERS = {*REQUESTS, "batch"}
_ASSIGNMENTS = {"assignment_expression", "augmented_assignment_expression"}
_JUMPS = {"break_statement", "continue_statement", "return_statement", "throw_statement"}


@dataclass
class Transaction:
    """The function in a `line`: the requests of an iteration, its sleeps in seconds, and whether nothing else takes time."""

    line: int = 0
    steps: list[Step] = field(default_factory=list)
    sleeps: list[float | None] = field(default_factory=list)
    is_whole: bool = True

    @property
    def has_checks(self) -> bool:
        """Whether a check was carried over."""
        return any(step.checks for step in self.steps)

    def settings(self) -> list[dict[str, Any]]:
        """Return each request with its checks as a probe has them; one without checks expects what k6 does."""
        return [
            step.request
            | {"checks": list(step.checks.values()) or [_EXPECTED]}
            | ({"carry": step.carry} if step.carry else {})
            for step in self.steps
        ]


def read_transaction(function: Function, setup: Function | None, notes: Notes) -> Transaction:
    """Read a function and before it the script's setup; raises UnusableScript without a request that can be converted."""
    walk = _Walk(notes)
    data = walk.setup(setup) if setup is not None else None
    function.scope.context.draws.is_start = False
    walk.enter(function, [] if data is None else [data])
    found = walk.found
    found.line = function.node.line
    _drop_unused_setup(found, setup, notes)
    if not found.steps:
        raise _no_request(function, walk)
    _name_apart(found.steps)
    _drop_unused_carries(found.steps)
    return found


def _body(function: Node) -> tuple[Node, ...]:
    body = function.fields["body"]
    return body.children if body.kind == "statement_block" else (body,)


def _no_request(function: Function, walk: _Walk) -> UnusableScript:
    if walk.first_loss is not None:
        return UnusableScript(walk.first_loss.line, walk.first_loss.why)
    sender = _sender(function, set())
    if sender is not None:
        return UnusableScript(sender.line, f"{sender.excerpt} does not always run, expected one request that does")
    unread = next(iter(function.scope.context.unread.items()), None)
    if unread is not None:
        module, reason = unread
        why = f"makes no request with k6/http in what is read; the import of {module} is not: {reason.why}"
        return UnusableScript(reason.line, why)
    line = function.node.line
    return UnusableScript(line, "makes no request with k6/http, expected one such as http.get(url)")


def _sender(function: Function, seen: set[Node]) -> Node | None:
    """Return the first part of a function that sends a request, itself or through another function of the script."""
    seen.add(function.node)
    for node in function.node.walk():
        if node.kind == "call_expression" and _http_function(function.scope.context.names.called(node)) in _SENDERS:
            return node
        if node.kind not in {"identifier", "shorthand_property_identifier", "member_expression"}:
            continue
        content = evaluate(node, function.scope).content if root_of(node).kind == "identifier" else None
        if isinstance(content, Function) and content.node not in seen and _sender(content, seen) is not None:
            return node
    return None


def _http_function(called: str) -> str:
    return called.removeprefix(_HTTP) if called.startswith(_HTTP) else ""


def _drop_unused_setup(found: Transaction, setup: Function | None, notes: Notes) -> None:
    """Keep the requests of setup only if later ones need a value from their answers."""
    of_setup = [step for step in found.steps if step.is_of_setup]
    if setup is None:
        return
    line, others = setup.node.line, [step for step in found.steps if not step.is_of_setup]
    later = repr([step.request for step in others])
    needed = any(f"{{{{ {name} }}}}" in later for step in of_setup for name in step.carry)
    if not needed:
        found.steps = others
        does_more = any(node.kind == "call_expression" for node in setup.node.walk())
        if does_more or not setup.node.fields["body"].children:
            notes.not_carried(line, "function setup", "a probe has no setup and no teardown")
        return
    why = "the requests of setup are sent in every transaction, for a probe has no setup; k6 sends them once"
    notes.say(line, why)


def _name_apart(steps: Sequence[Step]) -> None:
    """Name each request whose path another one has, too: requests are counted by name."""
    taken: set[str] = set()
    for step in steps:
        title = title_of(step)
        if title in taken:
            wanted = f"{step.request['method']} {title}"
            title, number = wanted, 1
            while title in taken:
                number += 1
                title = f"{wanted} ({number})"
            step.request = {"name": title} | step.request
        taken.add(title)


def title_of(step: Step) -> str:
    """Return the name under which a request is counted."""
    return step.request.get("name") or _ORIGIN.sub("", step.request["url"]).partition("?")[0].partition("#")[0] or "/"


def _drop_unused_carries(steps: Sequence[Step]) -> None:
    for index, step in enumerate(steps):
        later = repr([(one.request, one.checks) for one in steps[index + 1 :]])
        step.carry = {name: path for name, path in step.carry.items() if f"{{{{ {name} }}}}" in later}


def _rounds(loop: Node, scope: Scope) -> Iterator[Scope]:
    """Yield the scope of each round of a loop over a short list, or up to a low number; none for other loops."""
    if loop.kind == "for_statement":
        yield from _counted(loop, scope)
        return
    target, listed = loop.fields["left"], evaluate(loop.fields["right"], scope).content
    if "of" not in (*loop.tokens, loop.fields["operator"].text) or "kind" not in loop.fields:
        return
    for item in listed if isinstance(listed, list) and len(listed) <= _LONGEST_LOOP else ():
        inner = scope.inner()
        bind(target, item, inner)
        yield inner


def _jumps(node: Node) -> bool:
    """Whether a statement may leave a loop, or a round of it."""
    return node.kind in _JUMPS or any(_jumps(part) for part in node.children if part.kind not in FUNCTIONS)


def _is_key(target: Node) -> bool:
    return target.kind in {"member_expression", "subscript_expression"}


def _counted(loop: Node, scope: Scope) -> Iterator[Scope]:
    """Yield the scopes of `for (let i = 0; i < 3; i++)`."""
    start, step = loop.fields.get("initializer"), loop.fields.get("increment")
    # The field of the condition is the semicolon after it.
    test = next((part for part in loop.children if part.kind == "binary_expression"), None)
    declared = start.children[0] if start is not None and start.kind == "lexical_declaration" else None
    if declared is None or test is None or step is None or "value" not in declared.fields:
        return
    name, first = declared.fields["name"].text, evaluate(declared.fields["value"], scope).content
    if test.fields["left"].text != name or step.text not in {f"{name}++", f"++{name}", f"{name} += 1"}:
        return
    sign, last = test.fields["operator"].text, evaluate(test.fields["right"], scope).content
    if type(first) is not int or type(last) is not int or sign not in {"<", "<="}:
        return
    counted = range(first, last + (sign == "<="))
    for number in counted if len(counted) <= _LONGEST_LOOP else ():
        inner = scope.inner()
        inner.set(name, Value(loop.line, number))
        yield inner


class _Walk:
    """Reads the statements of functions in the order in which they run."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._is_setup = False
        self._returned: Value | None = None
        self._handled: set[Node] = set()
        self._calls: dict[str, Callable[[Node, Scope], object]] = {
            "k6.check": self._check,
            "k6.group": self._group,
            "k6.sleep": self._sleep,
        }
        self.first_loss: NotCarried | None = None
        self.found = Transaction()

    def setup(self, function: Function) -> Value:
        """Read the script's setup, and return what it returns."""
        self._is_setup, loss = True, self.first_loss
        returned = self.enter(function, [])
        self._is_setup, self.first_loss = False, loss
        self.found.sleeps.clear()
        self.found.is_whole = True
        return returned

    def enter(self, function: Function, arguments: list[Value], depth: int = 0) -> Value:
        """Read a call of a function, and return what it returns."""
        scope = called_scope(function, arguments, depth)
        has_value = any(one.kind == "return_statement" and one.children for one in function.node.walk())
        nothing = unknown(function.node) if has_value else undefined(function.node)
        if scope is None:
            self._notes.not_carried(function.node.line, function.node.excerpt, "it calls itself")
            return nothing
        body, before = function.node.fields["body"], self._returned
        self._returned = None
        if body.kind == "statement_block":
            self._statements(body.children, scope)
        else:
            self._evaluated(body, scope)
            self._returned = evaluate(body, scope)
            self._note_rest(body, scope)
        returned, self._returned = self._returned or nothing, before
        return returned

    def _statements(self, nodes: tuple[Node, ...], scope: Scope) -> None:
        for node in nodes:
            self._statement(node, scope)
            if self._returned is not None or node.kind in {"return_statement", "throw_statement"}:
                return

    def _statement(self, node: Node, scope: Scope) -> None:
        if self._is_nested(node, scope):
            return
        self._evaluated(node, scope)
        if node.kind in {"lexical_declaration", "variable_declaration"}:
            for declarator in node.children:
                declare(declarator, scope, self._notes)
                for name in changed_at_once(declarator):
                    self._forget(name, declarator, scope)
        elif node.kind == "function_declaration":
            scope.set(node.fields["name"].text, Value(node.line, Function(node, scope)))
        elif node.kind == "return_statement":
            self._returned = evaluate(node.children[0], scope) if node.children else undefined(node)
        elif node.kind == "expression_statement":
            self._expression(node.children[0], scope)
        elif node.kind != "type_declaration":
            self._skip(node, scope)

    def _is_nested(self, node: Node, scope: Scope) -> bool:
        """Read a statement that is made of others, and return whether it is one that always runs."""
        if node.kind == "statement_block":
            self._statements(node.children, scope.inner())
        elif node.kind == "try_statement":
            self._try(node, scope)
        elif node.kind == "if_statement":
            self._branch(node, scope)
        elif node.kind == "while_statement":
            return self._while(node, scope)
        else:
            return node.kind in {"for_in_statement", "for_statement"} and self._unrolled(node, scope)
        return True

    def _while(self, node: Node, scope: Scope) -> bool:
        """Read a loop whose condition is known in each of a few rounds; return whether it is one."""
        condition, body = node.fields["condition"], node.fields["body"]
        is_counted = any(part.kind == "identifier" for part in condition.walk()) and not any(calls_made(condition))
        if not is_counted or _jumps(body):
            return False
        for count in range(_LONGEST_LOOP + 1):
            found = truth(evaluate(condition, scope), scope.context.environment)
            if found is False:
                return True
            if found is not True or count == _LONGEST_LOOP:
                break
            self._statement(body, scope.inner())
        self._skip(node, scope)
        return True

    def _branch(self, node: Node, scope: Scope) -> None:
        """Read the branch that runs where that is known, or follows from the success of the requests before."""
        condition = node.fields["condition"]
        self._evaluated(condition, scope)
        found = truth(evaluate(condition, scope), scope.context.environment)
        if found is None:
            self._skip(node, scope)
            return
        branches = node.fields["consequence"], node.fields.get("alternative")
        taken, other = branches if holds(found) else branches[::-1]
        if isinstance(found, Assumed):
            self._note_assumed(node, taken, other)
        if taken is not None:
            self._statement(taken.children[0] if taken.kind == "else_clause" else taken, scope)

    def _note_assumed(self, node: Node, taken: Node | None, other: Node | None) -> None:
        if taken is node.fields["consequence"]:
            self._notes.say(taken.line, f"the branch of {node.fields['condition'].excerpt} {_SUCCEEDED}")
        if other is not None:
            self._notes.not_carried(other.line if other.kind == "else_clause" else node.line, "the branch", _FAILED)

    def _unrolled(self, node: Node, scope: Scope) -> bool:
        """Read a loop over a short list of constants, once for each; return whether it is such a loop."""
        if _jumps(node.fields["body"]):
            return False
        rounds = list(_rounds(node, scope))
        for inner in rounds:
            self._statement(node.fields["body"], inner)
        return bool(rounds)

    def _try(self, node: Node, scope: Scope) -> None:
        """Read the block of a try statement: k6 does not throw where a request fails."""
        self._statements(node.fields["body"].children, scope.inner())
        self._forget_changes(node.fields.get("handler"), scope)
        if self._returned is None and "finalizer" in node.fields:
            self._statements(node.fields["finalizer"].fields["body"].children, scope.inner())

    def _skip(self, node: Node, scope: Scope) -> None:
        what, why = _STATEMENTS.get(node.kind) or (node.excerpt, _COMPUTED)
        self._notes.not_carried(node.line, what, why)
        self._lose(node)
        self._forget_changes(node, scope)

    def _lose(self, node: Node) -> None:
        """Note that a part of the iteration is not carried over, which may take time."""
        if any(
            one.kind in _LOOPS or (one.kind == "call_expression" and not _AT_ONCE.search(one.fields["function"].text))
            for one in node.walk()
        ):
            self.found.is_whole = False

    def _forget_changes(self, node: Node | None, scope: Scope) -> None:
        """Take as unknown what a statement may change that is not read."""
        for name in changes(node) if node is not None else ():
            self._forget(name, node, scope)

    @staticmethod
    def _forget(name: str, node: Node | None, scope: Scope) -> None:
        before = scope.look_up(name)
        if node is None or before is None:
            return
        why = f"{name} is not a constant, it is changed in line {node.line}"
        scope.assign(name, Value(before.line, Unknown(node, before.line, why)))

    def _expression(self, node: Node, scope: Scope) -> None:
        value = assigned(node, scope) if node.kind in _ASSIGNMENTS else None
        if value is not None and node.kind != "assignment_expression" and isinstance(value.content, Unknown):
            value = None
        is_set = value is not None and _is_key(node.fields["left"]) and set_target(node.fields["left"], value, scope)
        if not self._is_pushed(node, scope):
            for name in changed_at_once(node.fields["right"] if is_set else node):
                self._forget(name, node, scope)
        if value is not None:
            self._assign(node.fields["left"], value, scope)
        if value is None or isinstance(value.content, Unknown):
            self._note_rest(node if value is None else node.fields["right"], scope)

    def _is_pushed(self, node: Node, scope: Scope) -> bool:
        """Do `list.push(…)`, and return whether it was one."""
        if node.kind != "call_expression" or node in self._handled:
            return False
        arguments = [evaluate(argument, scope) for argument in node.fields["arguments"].children]
        is_pushed = pushed(node.fields["function"], arguments, scope)
        self._handled |= {node} if is_pushed else set()
        return is_pushed

    def _assign(self, target: Node, value: Value, scope: Scope) -> None:
        if target.kind == "identifier":
            content = value.content
            if isinstance(content, Draw) and not content.hint:
                content.hint = target.text
            scope.assign(target.text, value)
        elif target.kind in {"array_pattern", "object_pattern"}:
            hide_all(target, scope)

    def _note_rest(self, node: Node, scope: Scope) -> None:
        """Note what an expression does besides the calls that were read."""
        if node in self._handled or node.kind in {"string", "identifier", "undefined"}:
            return
        if node.kind in {"await_expression", "unary_expression", "assignment_expression"}:
            self._note_rest(node.fields.get("right") or node.fields.get("argument") or node.children[0], scope)
        elif node.kind == "binary_expression" and node.fields["operator"].text in _LOGICAL:
            self._note_rest(node.fields["left"], scope)
            if self._is_code(node.fields["right"]):
                self._notes.not_carried(node.fields["right"].line, node.fields["right"].excerpt, _COMPUTED)
                self._lose(node.fields["right"])
        elif self._is_code(node):
            self._notes.not_carried(node.line, node.excerpt, self._reason(node))
            self._lose(node)
            self._forget_changes(node, scope)

    @staticmethod
    def _is_code(node: Node) -> bool:
        return node.kind not in {"number", "true", "false", "null", "object", "array", "template_string"} and any(
            one.kind in {"call_expression", "update_expression", "augmented_assignment_expression", "new_expression"}
            for one in node.walk()
        )

    @staticmethod
    def _reason(node: Node) -> str:
        called = next((call.fields["function"] for call in calls_made(node)), None)
        root = called.fields["object"].text if called is not None and "object" in called.fields else ""
        return "a probe writes no log" if root == "console" else _COMPUTED

    def _evaluated(self, node: Node, scope: Scope) -> None:
        """Make the calls of a statement that always run, in their order."""
        for call in calls_made(node):
            self._make(call, scope)

    def _make(self, call: Node, scope: Scope) -> None:
        name, results = scope.context.names.called(call), scope.context.results
        results.pop(call, None)
        if "k6chaijs" in name and name.endswith(".describe"):
            name = "k6.group"
        if name in self._calls:
            self._calls[name](call, scope)
            self._handled.add(call)
            results[call] = Value(call.line, Assumed(holds=True)) if name == "k6.check" else unknown(call)
        elif _http_function(name) in REQUESTS:
            given = [evaluate(argument, scope) for argument in call.fields["arguments"].children]
            results[call] = self._request(_http_function(name), given, call, scope)
            self._handled.add(call)
        elif name == f"{_HTTP}batch":
            results[call] = self._batch(call, scope)
            self._handled.add(call)
        elif name.startswith(_HTTP) and name not in {f"{_HTTP}url", f"{_HTTP}file"}:
            self._notes.not_carried(call.line, call.excerpt, "it is not a request")
            self._handled.add(call)
        else:
            if name.startswith(_OTHER_PROTOCOLS):
                self.found.is_whole = False
            self._follow(call, scope)

    def _follow(self, call: Node, scope: Scope) -> None:
        """Read the call of a function of the script."""
        function = call.fields["function"]
        content = evaluate(function, scope).content
        is_for_each = function.kind == "member_expression" and function.fields["property"].text == "forEach"
        if not isinstance(content, Function) and not is_for_each:
            self._forget_given(call, scope)
            return
        arguments = [evaluate(argument, scope) for argument in call.fields["arguments"].children]
        if not isinstance(content, Function):
            self._for_each(call, function.fields["object"], arguments, scope)
            return
        self._handled.add(call)
        scope.context.results[call] = self.enter(content, arguments, scope.depth)

    def _forget_given(self, call: Node, scope: Scope) -> None:
        """Take as unknown the objects that a function of another library may change."""
        module = scope.context.names.called(call).rpartition(".")[0]
        if not module or module == "k6" or module.startswith(("k6/", "https://jslib.k6.io/")):
            return
        for argument in call.fields["arguments"].children:
            if argument.kind == "identifier" and isinstance(evaluate(argument, scope).content, dict | list):
                self._forget(argument.text, call, scope)

    def _for_each(self, call: Node, of: Node, arguments: list[Value], scope: Scope) -> None:
        """Read `[…].forEach((one) => …)` over a short list of constants, once for each."""
        listed, callback = evaluate(of, scope).content, arguments[0].content if arguments else None
        if isinstance(listed, list) and 0 < len(listed) <= _LONGEST_LOOP and isinstance(callback, Function):
            self._handled.add(call)
            for index, item in enumerate(listed):
                self.enter(callback, [item, Value(call.line, index)], scope.depth)

    def _request(self, function: str, arguments: Sequence[Value], call: Node, scope: Scope) -> Value:
        draws = scope.context.draws
        try:
            request = read_request(function, arguments, call.line, draws.taken, self._notes)
        except NotCarried as reason:
            self.first_loss = self.first_loss or reason
            self.found.is_whole = False
            self._notes.lost(call.excerpt, reason)
            why = f"{call.excerpt} is not carried over"
            return Value(call.line, Unknown(call, reason.line, why))
        step = Step(request, call.line, draws, is_of_setup=self._is_setup)
        if self.found.steps and self.found.steps[-1].is_of_setup == self._is_setup:
            self._notes.say_once(
                call.line, "a later request is sent when the checks of the one before have passed, in k6 always"
            )
        self.found.steps.append(step)
        return Value(call.line, AnswerOf(step))

    def _batch(self, call: Node, scope: Scope) -> Value:
        arguments = call.fields["arguments"].children
        try:
            requests, keys = batched(evaluate(arguments[0], scope) if arguments else unknown(call))
        except NotCarried as reason:
            self.first_loss = self.first_loss or reason
            self.found.is_whole = False
            self._notes.lost(call.excerpt, reason)
            return unknown(call)
        if len(requests) > 1:
            self._notes.say(call.line, "the requests of a batch are sent one after the other, in k6 at the same time")
        answers = [self._request("request", request.content, call, scope) for request in requests]
        return Value(call.line, dict(zip(keys, answers, strict=True)) if keys else answers)

    def _check(self, call: Node, scope: Scope) -> None:
        answer, *rest = [evaluate(argument, scope) for argument in call.fields["arguments"].children] or [unknown(call)]
        if not isinstance(answer.content, AnswerOf | AnswerPart) or not rest:
            self._notes.not_carried(call.line, call.excerpt, "it is not about the answer of the request above")
            return
        step = answer.content.step
        answers = Answers(step, answer, scope, self._notes)
        for name, check in read_checks(rest[0], answers, step.checks.keys(), self._notes):
            step.checks[name] = check
        for tags in rest[1:]:
            self._notes.not_carried(tags.line, "the argument with tags", "a check has a name and no tags")

    def _sleep(self, call: Node, scope: Scope) -> None:
        content = next((evaluate(one, scope).content for one in call.fields["arguments"].children), None)
        seconds = content.mean() if isinstance(content, Draw) else content
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        self.found.sleeps.append(float(seconds) if is_number and seconds is not None else None)
        self._notes.not_carried(call.line, call.excerpt, "the load is an open loop, and arrivals do not wait for it")

    def _group(self, call: Node, scope: Scope) -> None:
        name, *callbacks = call.fields["arguments"].children or (call,)
        why = "a probe has no groups; its content is read as if it were outside"
        self._notes.not_carried(call.line, f"group({name.excerpt})", why)
        for callback in callbacks:
            content = evaluate(callback, scope).content
            if isinstance(content, Function) and callback.kind in FUNCTIONS | {"identifier"}:
                self.enter(content, [], scope.depth)
