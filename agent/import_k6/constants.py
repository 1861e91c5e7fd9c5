"""Evaluates constant expressions; the value of any other stays unknown and is never guessed.

To evaluate another kind of expression: one function, one row in `_KINDS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from alertdrill.agent.import_k6.answers import AnswerOf, AnswerPart, part
from alertdrill.agent.import_k6.calls import FUNCTIONS_OF_K6_UTILS, METHODS, PAPAPARSE, PURE, TEXT_METHODS, of_date
from alertdrill.agent.import_k6.draws import CsvFile, DataRow, Draw
from alertdrill.agent.import_k6.flow import FUNCTIONS, calls_made
from alertdrill.agent.import_k6.notes import NotCarried, Notes
from alertdrill.agent.import_k6.operators import assume, binary, is_number, not_constant, or_default, unary
from alertdrill.agent.import_k6.scope import Scope
from alertdrill.agent.import_k6.syntax import Node
from alertdrill.agent.import_k6.truth import holds, truth
from alertdrill.agent.import_k6.values import (
    Assumed,
    EnvText,
    Function,
    Template,
    Undefined,
    Unknown,
    Value,
    joined,
    number,
    plain,
    text_of,
    undefined,
    unknown,
)

_ENVIRONMENT = "__ENV"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}
_LAST_CHARACTER = 0x10FFFF


def evaluate(node: Node, scope: Scope) -> Value:
    """Return the value of an expression, with Unknown for each part that is not constant."""
    evaluator = _KINDS.get(node.kind)
    try:
        if evaluator is None:
            raise not_constant(node)
        content = evaluator(node, scope)
    except NotCarried as reason:
        content = Unknown(node, reason.line, reason.why)
    # The value of a variable keeps its own line.
    return content if isinstance(content, Value) else Value(node.line, content)


def _number(node: Node, _: Scope) -> int | float:
    text = node.text.replace("_", "")
    # Whether 017 is 15 or 17 depends on the reader.
    if re.match(r"0\d", text) or text.endswith("n"):
        raise not_constant(node)
    try:
        return number(float(int(text, 0)) if re.match(r"0[xXoObB]", text) else float(text))
    except (ValueError, OverflowError) as error:
        raise not_constant(node) from error


def _string(node: Node, _: Scope) -> str:
    parts = [_unescaped(part) if part.kind == "escape_sequence" else part.text for part in node.children]
    return _literal(node, "".join(parts))


def _literal(node: Node, text: str) -> str:
    try:
        # Two escapes together may form one character above U+FFFF.
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as error:
        raise NotCarried(node.line, f"{node.excerpt} has half a character, which UTF-8 cannot hold") from error
    return joined(node.line, [Value(node.line, whole)])


def _unescaped(sequence: Node) -> str:
    r"""Return the character of an escape sequence: `\n`, `\x41`, `\u0041`, `\u{1F600}`, `\'`.

    Raises NotCarried for octal ones, which modules do not have.
    """
    text = sequence.text[1:]
    if text in _ESCAPES:
        return _ESCAPES[text]
    if text[0] in "xu":
        code = int(text[1:].strip("{}"), 16)
        if code <= _LAST_CHARACTER:
            return chr(code)
    if text[0] in "xu01234567":
        raise NotCarried(sequence.line, f"{sequence.text} is not a character in a module")
    return text


def _template(node: Node, scope: Scope) -> str:
    return joined(node.line, [_template_part(piece, scope) for piece in node.children])


def _template_part(piece: Node, scope: Scope) -> Value:
    if piece.kind == "template_substitution":
        return evaluate(piece.children[0], scope)
    return Value(piece.line, _unescaped(piece) if piece.kind == "escape_sequence" else piece.text)


def _identifier(node: Node, scope: Scope) -> Value:
    value = scope.look_up(node.text)
    if value is not None:
        if value is scope.context.kept.get(node.text):
            assume(
                node, f"{node.text} is empty in each transaction; in k6 a virtual user keeps it once it is set", scope
            )
        return value
    if node.text in _OF_AN_ITERATION:
        return Value(node.line, _noted(_OF_AN_ITERATION[node.text](scope), node))
    raise not_constant(node)


def _noted(draw: Draw, node: Node) -> Draw:
    draw.note = (node.line, f"{node.text} {_OF_NO_USER[node.text]}")
    return draw


_OF_NO_USER = {
    "__ITER": "counts the transactions of the whole load, for there are no virtual users",
    "__VU": "is a random number, for there are no virtual users",
}
# There are no virtual users, so a user is a random one of as many as the script has.
_OF_AN_ITERATION: dict[str, Callable[[Scope], Draw]] = {
    "__ITER": lambda scope: scope.context.draws.of("iteration", kind="sequence", start=0),
    "__VU": lambda scope: scope.context.draws.of("user", kind="range", from_=1, to=scope.context.draws.users),
}


def _object(node: Node, scope: Scope) -> dict[str, Value]:
    entries: dict[str, Value] = {}
    for entry in node.children:
        if entry.kind == "pair":
            entries[_key(entry.fields["key"], scope)] = evaluate(entry.fields["value"], scope)
        elif entry.kind == "shorthand_property_identifier":
            entries[entry.text] = _identifier(entry, scope)
        elif entry.kind == "spread_element":
            entries |= _spread(entry, scope)
        else:
            entries[_key(entry.fields["name"], scope)] = Value(entry.line, Function(entry, scope))
    return entries


def _key(node: Node, scope: Scope) -> str:
    if node.kind == "property_identifier":
        return node.text
    inner = node.children[0] if node.kind == "computed_property_name" else node
    return joined(node.line, [evaluate(inner, scope)])


def _spread(node: Node, scope: Scope) -> dict[str, Value]:
    value = evaluate(node.children[0], scope).content
    if not isinstance(value, dict):
        raise not_constant(node)
    return value


def _array(node: Node, scope: Scope) -> list[Value]:
    items: list[Value] = []
    for item in node.children:
        if item.kind != "spread_element":
            items.append(evaluate(item, scope))
            continue
        spread = evaluate(item.children[0], scope).content
        if not isinstance(spread, list):
            raise not_constant(node)
        items += spread
    return items


def _unary(node: Node, scope: Scope) -> object:
    return unary(node, evaluate(node.fields["argument"], scope), scope)


def _binary(node: Node, scope: Scope) -> object:
    return binary(node, evaluate(node.fields["left"], scope), evaluate(node.fields["right"], scope), scope)


def _ternary(node: Node, scope: Scope) -> object:
    """Evaluate `__ENV.A ? __ENV.A : 'b'`, which is a default, and conditions that are known."""
    condition, chosen, other = (node.fields[name] for name in ("condition", "consequence", "alternative"))
    value = evaluate(condition, scope)
    if condition.text == chosen.text and isinstance(value.content, EnvText):
        return or_default(node, plain(value), plain(evaluate(other, scope)))
    if isinstance(value.content, Draw):
        return _made(node, _chosen(value.content, evaluate(chosen, scope), evaluate(other, scope), scope))
    found = truth(value, scope.context.environment)
    if found is None:
        plain(value)
        raise not_constant(node)
    taken = chosen if holds(found) else other
    if isinstance(found, Assumed):
        assume(node, f"{node.excerpt} is read as {taken.excerpt}, as when the request succeeds", scope)
    return evaluate(taken, scope)


def _chosen(condition: Draw, one: Value, other: Value, scope: Scope) -> Draw | None:
    """Return one of two values with the chance of a condition; None if it is not one."""
    outcomes = condition.entry.get("of", [None])
    if not all(isinstance(outcome, bool) for outcome in outcomes):
        return None
    drawn = scope.context.draws.one_of(one.line, [one if outcome else other for outcome in outcomes])
    return drawn if isinstance(drawn, Draw) else None


def _member(node: Node, scope: Scope) -> object:
    of = node.fields["object"]
    key = evaluate(node.fields["index"], scope).content if "index" in node.fields else node.fields["property"].text
    if of.text == _ENVIRONMENT and isinstance(key, str) and _NAME.fullmatch(key):
        return _variable(key, scope)
    if f"{of.text}.{key}" in _OF_THE_EXECUTION:
        return scope.context.draws.of("iteration", kind="sequence", start=0)
    content = evaluate(of, scope).content
    if isinstance(key, EnvText):
        key = scope.context.environment.required(node.line, key)
    for one in (content, key):
        if isinstance(one, Unknown):
            raise NotCarried(one.line, one.why)
    found = _inside(node, content, key, scope)
    if found is None:
        raise not_constant(node)
    return found


def _variable(name: str, scope: Scope) -> object:
    given = scope.context.environment.given
    return joined(0, [Value(0, given[name])]) if name in given else EnvText(f"${{{name}}}")


_OF_THE_EXECUTION = {
    "exec.scenario.iterationInTest",
    "exec.scenario.iterationInInstance",
    "exec.vu.iterationInInstance",
}


def _inside(node: Node, content: object, key: object, scope: Scope) -> object:
    if isinstance(content, AnswerOf | AnswerPart):
        return part(content, key)
    if isinstance(content, DataRow):
        return content.column(node.line, key) if isinstance(key, str) else None
    if isinstance(content, CsvFile):
        return _of_csv(content, key, scope)
    if isinstance(content, dict):
        return _entry(node, content, key)
    if type(content) is str:
        return _character(node, content, key, scope)
    if isinstance(content, list):
        return _item(node, content, key, scope)
    return None


def _character(node: Node, text: str, key: object, scope: Scope) -> object:
    if key == "length":
        return len(text.encode("utf-16-le")) // 2
    return _item(node, [Value(node.line, character) for character in text], key, scope) if text.isascii() else None


def _entry(node: Node, content: dict[str, Value], key: object) -> object:
    key = text_of(Value(node.line, key)) if is_number(key) else key
    if not isinstance(key, str) or isinstance(key, Template) or key in _OF_OBJECTS:
        return content.get(key) if isinstance(key, str) else None
    return content[key] if key in content else undefined(node)


# The members that every object of JavaScript has.
_OF_OBJECTS = {"constructor", "hasOwnProperty", "length", "toString", "valueOf"}


def _item(node: Node, items: list[Value], key: object, scope: Scope) -> object:
    if key == "length":
        return len(items)
    if type(key) is int:
        return items[key] if 0 <= key < len(items) else None
    ends = key.whole_bounds() if isinstance(key, Draw) else None
    if ends and 0 <= ends[0] <= ends[1] < len(items):
        return scope.context.draws.one_of(node.line, items[ends[0] : ends[1] + 1])
    return None


def _of_csv(content: CsvFile, key: object, scope: Scope) -> object:
    if key == "length":
        return content.rows
    ends = key.whole_bounds() if isinstance(key, Draw) else None
    if ends and ends[0] >= 0 and ends[1] < content.rows:
        return DataRow(scope.context.draws, "", (), content.file)
    return content if key == "data" else None


def _call(node: Node, scope: Scope) -> object:
    if node in scope.context.results:
        return scope.context.results[node]
    function, arguments = node.fields["function"], node.fields["arguments"]
    if arguments.kind != "arguments" and scope.context.names.called(node) != "k6/http.url":
        raise not_constant(node)
    called = scope.context.names.called(node)
    if called == "k6/http.url" and arguments.kind == "template_string":
        return _template(arguments, scope)
    known = _known_function(called, function, scope)
    if known is not None:
        given = [evaluate(argument, scope) for argument in arguments.children]
        for value in given:
            if isinstance(value.content, Unknown):
                raise NotCarried(value.content.line, value.content.why)
        return _made(node, known(node, given, scope))
    callee = evaluate(function, scope).content if function.kind in {"identifier", *FUNCTIONS} else None
    if isinstance(callee, Function):
        return _returned(node, callee, [evaluate(argument, scope) for argument in arguments.children], scope.depth)
    if function.kind == "member_expression":
        return _method(node, scope)
    raise not_constant(node)


def _known_function(called: str, function: Node, scope: Scope) -> Callable[[Node, list[Value], Scope], object] | None:
    module, _, name = called.rpartition(".")
    if module.startswith("https://jslib.k6.io/k6-utils/"):
        return FUNCTIONS_OF_K6_UTILS.get(name)
    if "papaparse" in module:
        return PAPAPARSE.get(name)
    is_hidden = scope.look_up(function.text.partition(".")[0]) is not None
    return None if called or is_hidden else PURE.get(function.text)


def _made(node: Node, content: object) -> object:
    if content is None:
        raise not_constant(node)
    return content


def _method(node: Node, scope: Scope) -> object:
    function = node.fields["function"]
    if _is_date(function.fields["object"]):
        return _made(node, of_date(function.fields["property"].text, scope))
    of = evaluate(function.fields["object"], scope).content
    if isinstance(of, Unknown) and scope.look_up(root_of(function).text) is not None:
        raise NotCarried(of.line, of.why)
    name = function.fields["property"].text
    if _is_random_text(node):
        return FUNCTIONS_OF_K6_UTILS["randomString"](node, [], scope)
    arguments = [evaluate(argument, scope) for argument in node.fields["arguments"].children]
    if isinstance(of, AnswerOf) and name == "json" and len(arguments) <= 1:
        path = plain(arguments[0]) if arguments else "$"
        return _made(node, AnswerPart(of.step, "json", path) if isinstance(path, str) else None)
    if isinstance(of, EnvText) and name == "replace" and node.fields["arguments"].children[0].text in _OF_THE_END:
        assume(node, f"{node.excerpt} takes the text as it is, so write it without a slash at its end", scope)
        return of
    if isinstance(of, EnvText) and name in TEXT_METHODS:
        of = scope.context.environment.required(node.line, of)
    if isinstance(of, list) and name in _EACH and arguments and isinstance(arguments[0].content, Function):
        return _EACH[name](node, of, arguments[0].content, scope)
    if isinstance(of, dict) and name in of and isinstance(of[name].content, Function):
        return _returned(node, of[name].content, arguments, scope.depth)
    return _made(node, METHODS[name](of, arguments, scope) if name in METHODS else None)


# Patterns of `url.replace(/\\/+$/, '')`.
_OF_THE_END = {r"/\/+$/", r"/\/$/", r"/\/*$/"}


def _is_random_text(node: Node) -> bool:
    """Whether it is `Math.random().toString(36)`, perhaps with `.substring(7)` after it."""
    if node.fields["function"].kind != "member_expression":
        return False
    method, of = node.fields["function"].fields["property"].text, node.fields["function"].fields["object"]
    if method in {"substring", "substr", "slice"} and of.kind == "call_expression":
        return _is_random_text(of)
    is_text = method == "toString" and [one.text for one in node.fields["arguments"].children] in (["36"], ["16"])
    return is_text and "Math.random()" in of.text


def _map(node: Node, items: list[Value], function: Function, scope: Scope) -> list[Value]:
    return [_of_item(node, item, index, function, scope) for index, item in enumerate(items)]


def _filter(node: Node, items: list[Value], function: Function, scope: Scope) -> list[Value]:
    return [item for index, item in enumerate(items) if _fits(node, item, index, function, scope)]


def _find(node: Node, items: list[Value], function: Function, scope: Scope) -> Value:
    fitting = (item for index, item in enumerate(items) if _fits(node, item, index, function, scope))
    return next(fitting, undefined(node))


def _some(node: Node, items: list[Value], function: Function, scope: Scope) -> bool:
    return any(_fits(node, item, index, function, scope) for index, item in enumerate(items))


def _every(node: Node, items: list[Value], function: Function, scope: Scope) -> bool:
    return all(_fits(node, item, index, function, scope) for index, item in enumerate(items))


_EACH: dict[str, Callable[[Node, list[Value], Function, Scope], object]] = {
    "every": _every,
    "filter": _filter,
    "find": _find,
    "map": _map,
    "some": _some,
}


def _of_item(node: Node, item: Value, index: int, function: Function, scope: Scope) -> Value:
    returned = _returned(node, function, [item, Value(node.line, index)], scope.depth)
    value = returned if isinstance(returned, Value) else Value(node.line, returned)
    if isinstance(value.content, Unknown) and not isinstance(value.content, Undefined):
        raise not_constant(node)
    return value


def _fits(node: Node, item: Value, index: int, function: Function, scope: Scope) -> bool:
    found = truth(_of_item(node, item, index, function, scope), scope.context.environment)
    if found is None or isinstance(found, Assumed):
        raise not_constant(node)
    return found


def _is_date(node: Node) -> bool:
    arguments = node.fields.get("arguments")
    is_new = node.kind == "new_expression" and node.fields["constructor"].text == "Date"
    return is_new and (arguments is None or not arguments.children)


_DEEPEST = 20


def _returned(node: Node, function: Function, arguments: list[Value], depth: int) -> object:
    """Return what a function of the script returns that does nothing else; raises NotCarried."""
    body, scope = function.node.fields["body"], called_scope(function, arguments, depth)
    if scope is None:
        raise not_constant(node)
    for call in body.walk():
        scope.context.results.pop(call, None)
    if body.kind != "statement_block":
        return evaluate(body, scope)
    return run(body.children, scope) or undefined(node)


def run(nodes: Iterable[Node], scope: Scope) -> Value | None:
    """Run statements that do nothing but set variables, and return what they return.

    Raises NotCarried at the first statement that does more, or that may run or not.
    """
    for node in nodes:
        if node.kind == "return_statement":
            return evaluate(node.children[0], scope) if node.children else undefined(node)
        returned = _ran(node, scope)
        if returned is not None:
            return returned
    return None


def _ran(node: Node, scope: Scope) -> Value | None:
    if node.kind in {"lexical_declaration", "variable_declaration"}:
        for declarator in node.children:
            _require_pure(declarator, declare(declarator, scope, Notes()))
    elif node.kind == "function_declaration":
        scope.set(node.fields["name"].text, Value(node.line, Function(node, scope)))
    elif node.kind == "statement_block":
        return run(node.children, scope.inner())
    elif node.kind == "if_statement":
        taken = known_branch(node, scope)
        return run([taken], scope) if taken is not None else None
    elif node.kind == "expression_statement":
        _run_expression(node.children[0], scope)
    elif node.kind == "throw_statement":
        raise NotCarried(node.line, f"the script ends here: {node.excerpt}")
    elif node.kind != "type_declaration":
        raise not_constant(node)
    return None


def _require_pure(declarator: Node, value: Value) -> None:
    """Refuse a value of a call that is not known: the call may send a request."""
    is_unknown = isinstance(value.content, Unknown) and not isinstance(value.content, Undefined)
    if is_unknown and any(calls_made(declarator)):
        raise NotCarried(value.content.line, value.content.why)


def known_branch(node: Node, scope: Scope) -> Node | None:
    """Return the statement that an `if` runs, None for none; raises NotCarried where that depends on anything unknown."""
    found = truth(evaluate(node.fields["condition"], scope), scope.context.environment)
    if found is None or isinstance(found, Assumed):
        raise not_constant(node.fields["condition"])
    if found:
        return node.fields["consequence"]
    return node.fields["alternative"].children[0] if "alternative" in node.fields else None


def _run_expression(node: Node, scope: Scope) -> None:
    if node.kind in {"assignment_expression", "augmented_assignment_expression"}:
        value = assigned(node, scope)
        if not set_target(node.fields["left"], value, scope):
            raise not_constant(node)
    elif node.kind == "call_expression":
        _run_call(node, scope)
    else:
        raise not_constant(node)


def _run_call(node: Node, scope: Scope) -> None:
    function = node.fields["function"]
    if function.text.startswith("console.") and scope.depth > 0:
        return
    callee = evaluate(function, scope).content
    arguments = [evaluate(argument, scope) for argument in node.fields["arguments"].children]
    if isinstance(callee, Function):
        _returned(node, callee, arguments, scope.depth)
    elif not pushed(function, arguments, scope):
        raise not_constant(node)


def pushed(function: Node, arguments: list[Value], scope: Scope) -> bool:
    """Do `list.push(…)`; return whether it was one that can be followed."""
    if function.kind != "member_expression" or function.fields["property"].text != "push":
        return False
    target = function.fields["object"]
    content = evaluate(target, scope).content
    if not isinstance(content, list) or not _may_change(target, scope):
        return False
    content += arguments
    return True


def assigned(node: Node, scope: Scope) -> Value:
    """Return the value that an assignment sets, such as `a = b` and `a += b`."""
    right = evaluate(node.fields["right"], scope)
    if node.kind == "assignment_expression":
        return right
    sign = node.fields["operator"].text.removesuffix("=")
    try:
        made = binary(node, evaluate(node.fields["left"], scope), right, scope, sign)
    except NotCarried as reason:
        made = Unknown(node, reason.line, reason.why)
    return made if isinstance(made, Value) else Value(node.line, made)


def set_target(target: Node, value: Value, scope: Scope) -> bool:
    """Set the target of an assignment: a variable, or the key of an object; return whether that can be followed."""
    if target.kind == "identifier":
        scope.assign(target.text, value)
        return True
    if "object" not in target.fields or not _may_change(target.fields["object"], scope):
        return False
    content = evaluate(target.fields["object"], scope).content
    index = evaluate(target.fields["index"], scope).content if "index" in target.fields else None
    key = target.fields["property"].text if index is None and "property" in target.fields else index
    if isinstance(key, EnvText):
        key = scope.context.environment.required(target.line, key)
    if not isinstance(content, dict) or type(key) is not str:
        return False
    content[key] = value
    return True


def _may_change(target: Node, scope: Scope) -> bool:
    """Whether the changes of an object can be followed: one of the top level may not change within a function."""
    root = root_of(target)
    return root.kind == "identifier" and (scope.depth == 0 or scope.is_of_function(root.text))


def root_of(target: Node) -> Node:
    """Return the variable in which an expression such as `a.b[0]` begins."""
    while "object" in target.fields:
        target = target.fields["object"]
    return target


def called_scope(function: Function, arguments: list[Value], depth: int) -> Scope | None:
    """Return the scope of a call at a depth of calls, with its parameters set; None if that is too deep."""
    outer: Scope = function.scope
    inner = outer.inner()
    inner.depth = depth + 1
    if inner.depth > _DEEPEST:
        return None
    parameters = function.node.fields.get("parameter") or function.node.fields["parameters"]
    patterns = (parameters,) if parameters.kind in _NAMES else parameters.children
    for index, pattern in enumerate(patterns):
        bind(pattern, arguments[index] if index < len(arguments) else undefined(pattern), inner)
    return inner


def _new(node: Node, scope: Scope) -> object:
    """Evaluate `new SharedArray('name', () => […])`, whose value is the list."""
    made = node.fields["constructor"].text
    arguments = node.fields.get("arguments")
    children = arguments.children if arguments else ()
    if made == "SharedArray" and scope.context.names.made_by(made) == "k6/data" and len(children) == 2:
        callback = evaluate(children[1], scope).content
        if isinstance(callback, Function):
            return _returned(node, callback, [], scope.depth)
    raise not_constant(node)


def _function(node: Node, scope: Scope) -> Function:
    return Function(node, scope)


def _first(node: Node, scope: Scope) -> Value:
    return evaluate(node.children[0], scope)


_KINDS: dict[str, Callable[[Node, Scope], Any]] = {
    **dict.fromkeys(FUNCTIONS & {"arrow_function", "function_expression"}, _function),
    "array": _array,
    "await_expression": _first,
    "binary_expression": _binary,
    "call_expression": _call,
    "false": lambda _node, _scope: False,
    "identifier": _identifier,
    "member_expression": _member,
    "new_expression": _new,
    "null": lambda _node, _scope: None,
    "number": _number,
    "object": _object,
    "string": _string,
    "subscript_expression": _member,
    "template_string": _template,
    "ternary_expression": _ternary,
    "true": lambda _node, _scope: True,
    "unary_expression": _unary,
    "undefined": lambda node, _scope: undefined(node),
}


_METRICS = "k6/metrics"
_NAMES = {"identifier", "shorthand_property_identifier_pattern"}
_WITH_DEFAULT = {
    "assignment_pattern": ("left", "right"),
    "object_assignment_pattern": ("left", "right"),
    "required_parameter": ("pattern", "value"),
    "optional_parameter": ("pattern", "value"),
}


def declare(declarator: Node, scope: Scope, notes: Notes) -> Value:
    """Set the value of a declared variable in a scope, and return it."""
    target, expression = declarator.fields["name"], declarator.fields.get("value")
    if expression is None:
        bind(target, undefined(target), scope)
        return undefined(target)
    value = evaluate(expression, scope)
    if expression.kind == "new_expression":
        made_by = scope.context.names.made_by(expression.fields["constructor"].text)
        if made_by == _METRICS:
            why = "a custom metric has no counterpart"
            value = Value(expression.line, Unknown(expression, expression.line, why))
    bind(target, value, scope)
    # The calls that were followed have their own notes.
    followed = expression.children[0] if expression.kind == "await_expression" else expression
    if isinstance(value.content, Unknown) and followed not in scope.context.results:
        notes.variable(value.content.line, target.excerpt, value.content.why)
    return value


def bind(pattern: Node, value: Value, scope: Scope) -> None:
    """Set the names in a pattern to a value, or to its parts."""
    content = value.content
    if pattern.kind in _NAMES:
        if isinstance(content, Draw | DataRow) and not content.hint:
            content.hint = pattern.text
        elif isinstance(content, AnswerPart):
            content.step.hints.setdefault(content.of, pattern.text)
        scope.declare(pattern, value)
    elif pattern.kind in _WITH_DEFAULT:
        target, default = _WITH_DEFAULT[pattern.kind]
        given = evaluate(pattern.fields[default], scope) if isinstance(content, Undefined) else value
        bind(pattern.fields[target], given, scope)
    elif pattern.kind == "object_pattern":
        for child in pattern.children:
            _bind_key(child, value, scope)
    elif pattern.kind == "array_pattern" and isinstance(content, list):
        for child, item in zip(pattern.children, content, strict=False):
            bind(child, item, scope)
        for child in pattern.children[len(content) :]:
            hide_all(child, scope)
    else:
        hide_all(pattern, scope)


def _bind_key(child: Node, value: Value, scope: Scope) -> None:
    """Set the names of one key in an object pattern: `{ a }`, `{ a: b }`, `{ a = 1 }`."""
    is_pair = child.kind == "pair_pattern"
    key, target = (child.fields["key"], child.fields["value"]) if is_pair else (child.fields.get("left", child), child)
    if child.kind == "rest_pattern" or key.kind == "computed_property_name":
        hide_all(child, scope)
        return
    found = _inside(child, value.content, key.text.strip("'\""), scope)
    whole = found if isinstance(found, Value) else Value(child.line, found)
    bind(target, unknown(target) if found is None else whole, scope)


def hide_all(pattern: Node, scope: Scope) -> None:
    """Mark every name in a pattern or in parameters as not constant."""
    for name in pattern.walk():
        if name.kind in _NAMES:
            scope.hide(name)
