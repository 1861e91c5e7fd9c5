"""Evaluates constant expressions; the value of any other stays unknown and is never guessed.

To evaluate another kind of expression: one function, one row in `_KINDS`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any

from alertdrill.agent.import_k6.names import Names
from alertdrill.agent.import_k6.notes import NotCarried, Notes
from alertdrill.agent.import_k6.scope import Scope
from alertdrill.agent.import_k6.syntax import Node
from alertdrill.agent.import_k6.values import EnvText, Json, Unknown, Value, joined, number, plain, unknown

_ENVIRONMENT = "__ENV"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ONE_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}
_LAST_CHARACTER = 0x10FFFF
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": math.fmod,
}


def evaluate(node: Node, scope: Scope) -> Value:
    """Return the value of an expression, with Unknown for each part that is not constant."""
    evaluator = _KINDS.get(node.kind)
    try:
        if evaluator is None:
            raise _unknown(node)
        content = evaluator(node, scope)
    except NotCarried as reason:
        content = Unknown(node, reason.line, reason.why)
    # The value of a variable keeps its own line.
    return content if isinstance(content, Value) else Value(node.line, content)


def _unknown(node: Node) -> NotCarried:
    return NotCarried(node.line, f"{node.excerpt} is not a constant")


def _number(node: Node, _: Scope) -> int | float:
    text = node.text.replace("_", "")
    # Whether 017 is 15 or 17 depends on the reader.
    if re.match(r"0\d", text) or text.endswith("n"):
        raise _unknown(node)
    try:
        return number(float(int(text, 0)) if re.match(r"0[xXoObB]", text) else float(text))
    except (ValueError, OverflowError) as error:
        raise _unknown(node) from error


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
    return joined(node.line, [_template_part(part, scope) for part in node.children])


def _template_part(part: Node, scope: Scope) -> Value:
    if part.kind == "template_substitution":
        return evaluate(part.children[0], scope)
    return Value(part.line, _unescaped(part) if part.kind == "escape_sequence" else part.text)


def _identifier(node: Node, scope: Scope) -> Value:
    value = scope.look_up(node.text)
    if value is None:
        raise _unknown(node)
    return value


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
            entries[_key(entry.fields["name"], scope)] = unknown(entry)
    return entries


def _key(node: Node, scope: Scope) -> str:
    if node.kind == "property_identifier":
        return node.text
    inner = node.children[0] if node.kind == "computed_property_name" else node
    return joined(node.line, [evaluate(inner, scope)])


def _spread(node: Node, scope: Scope) -> dict[str, Value]:
    value = evaluate(node.children[0], scope).content
    if not isinstance(value, dict):
        raise _unknown(node)
    return value


def _array(node: Node, scope: Scope) -> list[Value]:
    if any(item.kind == "spread_element" for item in node.children):
        raise _unknown(node)
    return [evaluate(item, scope) for item in node.children]


def _unary(node: Node, scope: Scope) -> int | float:
    value = plain(evaluate(node.fields["argument"], scope))
    if node.fields["operator"].text != "-" or not _is_number(value):
        raise _unknown(node)
    return number(-float(value))


def _binary(node: Node, scope: Scope) -> object:
    sign = node.fields["operator"].text
    left, right = evaluate(node.fields["left"], scope), evaluate(node.fields["right"], scope)
    if sign in {"||", "??"}:
        return _or_default(node, plain(left), plain(right))
    for side in (left, right):
        plain(side)
    if sign == "+" and any(isinstance(side.content, str | Json) for side in (left, right)):
        return joined(node.line, [left, right])
    if sign not in _ARITHMETIC or not (_is_number(left.content) and _is_number(right.content)):
        raise _unknown(node)
    try:
        return number(_ARITHMETIC[sign](float(left.content), float(right.content)))
    except (ArithmeticError, ValueError) as error:
        raise NotCarried(node.line, f"{node.excerpt} is not a finite number") from error


def _or_default(node: Node, text: object, default: object) -> EnvText:
    # `||` also uses the default for an empty variable, `${NAME:-default}` only for an unset one.
    is_variable = isinstance(text, EnvText) and _ONE_VARIABLE.fullmatch(text)
    if not is_variable or not isinstance(default, str) or isinstance(default, EnvText) or "}" in default:
        raise _unknown(node)
    return EnvText(f"{str(text)[:-1]}:-{default}}}")


def _member(node: Node, scope: Scope) -> object:
    of = node.fields["object"]
    key = plain(evaluate(node.fields["index"], scope)) if "index" in node.fields else node.fields["property"].text
    if of.text == _ENVIRONMENT and isinstance(key, str) and _NAME.fullmatch(key):
        return EnvText(f"${{{key}}}")
    content = evaluate(of, scope).content
    if isinstance(content, dict) and isinstance(key, str) and key in content:
        return content[key]
    if isinstance(content, list) and type(key) is int and 0 <= key < len(content):
        return content[key]
    raise NotCarried(content.line, content.why) if isinstance(content, Unknown) else _unknown(node)


def _call(node: Node, scope: Scope) -> Json:
    arguments = node.fields["arguments"].children
    if node.fields["function"].text != "JSON.stringify" or len(arguments) != 1:
        raise _unknown(node)
    return Json(plain(evaluate(arguments[0], scope)))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_KINDS: dict[str, Callable[[Node, Scope], Any]] = {
    "array": _array,
    "binary_expression": _binary,
    "call_expression": _call,
    "false": lambda _node, _scope: False,
    "identifier": _identifier,
    "member_expression": _member,
    "null": lambda _node, _scope: None,
    "number": _number,
    "object": _object,
    "string": _string,
    "subscript_expression": _member,
    "template_string": _template,
    "true": lambda _node, _scope: True,
    "unary_expression": _unary,
}


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
