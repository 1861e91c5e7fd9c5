"""The operators of JavaScript: arithmetic, texts, conditions, defaults from the environment, random numbers."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import replace

from alertdrill.agent.import_k6.answers import AnswerPart
from alertdrill.agent.import_k6.draws import Draw
from alertdrill.agent.import_k6.notes import NotCarried
from alertdrill.agent.import_k6.scope import Scope
from alertdrill.agent.import_k6.syntax import Node
from alertdrill.agent.import_k6.truth import COMPARISONS, compared, holds, kind_of, negated, truth
from alertdrill.agent.import_k6.values import (
    Assumed,
    EnvNumber,
    EnvText,
    Json,
    Template,
    Undefined,
    Value,
    joined,
    number,
    plain,
    text_of,
)

_ONE_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": math.fmod,
}


def not_constant(node: Node) -> NotCarried:
    """Return the refusal of an expression without a known value."""
    return NotCarried(node.line, f"{node.excerpt} is not a constant")


def is_number(value: object) -> bool:
    """Whether it is a number, and not true or false."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def unary(node: Node, operand: Value, scope: Scope) -> object:
    """Return the value of an expression with one operand; raises NotCarried."""
    sign = node.fields["operator"].text
    if sign == "!":
        of_operand = truth(operand, scope.context.environment)
        if of_operand is None:
            raise not_constant(node)
        return _of(node, negated(of_operand))
    if sign == "typeof":
        kind = kind_of(operand.content)
        if kind is None:
            raise not_constant(node)
        return kind
    value = plain(operand)
    if sign == "+" and isinstance(value, EnvText):
        return value
    if sign != "-" or not is_number(value):
        raise not_constant(node)
    return number(-float(value))


def binary(node: Node, left: Value, right: Value, scope: Scope, of: str = "") -> object:
    """Return the value of an expression with two operands; raises NotCarried."""
    sign = of or node.fields["operator"].text
    if sign in {"||", "&&", "??"}:
        return _logical(node, sign, left, right, scope)
    if sign == "in" and isinstance(right.content, dict) and isinstance(left.content, str):
        return _within(left, right.content, scope)
    if sign in COMPARISONS:
        return _compared(node, sign, left, right, scope)
    if isinstance(left.content, Draw) or isinstance(right.content, Draw):
        shifted = _shifted(sign, left.content, right.content, scope)
        if shifted is not None:
            return shifted
    for side in (left, right):
        plain(side)
    if sign == "+" and any(isinstance(side.content, str | Json) for side in (left, right)):
        return joined(node.line, [left, right])
    if sign not in _ARITHMETIC or not (is_number(left.content) and is_number(right.content)):
        raise not_constant(node)
    try:
        return number(_ARITHMETIC[sign](float(left.content), float(right.content)))
    except (ArithmeticError, ValueError) as error:
        raise NotCarried(node.line, f"{node.excerpt} is not a finite number") from error


def _logical(node: Node, sign: str, left: Value, right: Value, scope: Scope) -> object:
    if sign != "&&" and isinstance(left.content, EnvText):
        try:
            return or_default(node, plain(left), plain(right))
        except NotCarried:
            if not isinstance(right.content, dict | list | bool | Undefined):
                raise
    of_left = truth(left, scope.context.environment)
    if of_left is None:
        plain(left)
        raise not_constant(node)
    if sign == "??":
        is_left = not (left.content is None or isinstance(left.content, Undefined))
    else:
        is_left = holds(of_left) is (sign == "||")
    if isinstance(of_left, Assumed) and isinstance(left.content, AnswerPart) and sign == "||":
        assume(node, f"{node.excerpt} is read as {node.fields['left'].excerpt}, which the answer has", scope)
    return left if is_left else right


def assume(node: Node, text: str, scope: Scope) -> None:
    """Note an assumption about an expression."""
    scope.context.environment.assume(node.line, text)


def _within(key: Value, entries: dict[str, Value], scope: Scope) -> bool:
    name = (
        scope.context.environment.required(key.line, key.content) if isinstance(key.content, EnvText) else key.content
    )
    return name in entries


def _compared(node: Node, sign: str, left: Value, right: Value, scope: Scope) -> object:
    chance = _chance(sign, left.content, right.content, scope)
    if chance is not None:
        return chance
    found = compared(sign, left, right, scope.context.environment)
    if found is None:
        for side in (left, right):
            plain(side)
        raise not_constant(node)
    return _of(node, found)


def _of(node: Node, condition: bool | Assumed) -> bool | Assumed:  # noqa: FBT001 - a value of the script
    return replace(condition, node=node) if isinstance(condition, Assumed) else condition


_FINEST_CHANCE = 20


def _chance(sign: str, left: object, right: object, scope: Scope) -> Draw | None:
    """Return true or false with the chance of `Math.random() < 0.3`; None if it is not such a comparison."""
    ends = left.bounds() if isinstance(left, Draw) else None
    if ends is None or ends[0] == ends[1] or not is_number(right) or sign not in {"<", "<=", ">", ">="}:
        return None
    below = (float(str(right)) - ends[0]) / (ends[1] - ends[0]) * _FINEST_CHANCE
    if not 0 < below < _FINEST_CHANCE or abs(below - round(below)) > _ROUNDING:
        return None
    divisor = math.gcd(round(below), _FINEST_CHANCE)
    trues, falses = round(below) // divisor, (_FINEST_CHANCE - round(below)) // divisor
    outcomes = [sign in {"<", "<="}] * trues + [sign not in {"<", "<="}] * falses
    return scope.context.draws.of(kind="choice", of=outcomes)


_ROUNDING = 1e-9


def _shifted(sign: str, left: object, right: object, scope: Scope) -> Draw | None:
    """Return a random number after arithmetic with a constant; None if it is no longer a range of equal chances."""
    if isinstance(right, Draw) and sign in {"+", "*"}:
        left, right = right, left
    if not isinstance(left, Draw) or not isinstance(right, int | float) or isinstance(right, bool):
        return None
    whole, ends = left.whole_bounds(), left.bounds()
    if sign == "%" and left.entry["kind"] == "sequence":
        return None
    if whole and sign in {"+", "-"} and isinstance(right, int):
        low, high = (int(_ARITHMETIC[sign](end, right)) for end in whole)
        return scope.context.draws.of(left.hint, kind="range", from_=low, to=high)
    if ends and sign in {"+", "-", "*"} and (sign != "*" or right > 0):
        lowest, highest = (float(_ARITHMETIC[sign](end, right)) for end in ends)
        return scope.context.draws.of(left.hint, kind="range", from_=lowest, to=highest)
    return None


def or_default(node: Node, text: object, default: object) -> object:
    """Return a variable of the environment with its default; raises NotCarried."""
    # `||` also uses the default for an empty variable, `${NAME:-default}` only for an unset one.
    is_variable = isinstance(text, EnvText) and _ONE_VARIABLE.fullmatch(text)
    is_numeric = is_number(default)
    if is_numeric:
        default = text_of(Value(node.line, default))
    if not is_variable or not isinstance(default, str) or isinstance(default, EnvText | Template) or "}" in default:
        raise not_constant(node)
    return (EnvNumber if is_numeric else EnvText)(f"{str(text)[:-1]}:-{default}}}")
