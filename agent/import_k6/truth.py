"""Whether a value counts as true, and comparisons: JavaScript's rules for what is known."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from alertdrill.agent.import_k6.answers import AnswerOf, AnswerPart
from alertdrill.agent.import_k6.draws import CsvFile, DataRow, Draw
from alertdrill.agent.import_k6.environment import Environment
from alertdrill.agent.import_k6.values import (
    Assumed,
    EnvText,
    Function,
    Json,
    Template,
    TemplateAsText,
    Undefined,
    Unknown,
    Value,
)

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EQUALITIES = {"===": True, "==": True, "!==": False, "!=": False}
COMPARISONS = {*_ORDERS, *_EQUALITIES}
_ALWAYS_TRUE = (dict, list, Function, Json, DataRow, CsvFile)
_SUCCESS, _FAILURE, _ALL = range(200, 400), range(400, 600), range(100, 600)


def truth(value: Value, environment: Environment) -> bool | Assumed | None:
    """Return whether a value counts as true; None where that is unknown."""
    content = value.content
    if isinstance(content, EnvText):
        return _is_given(content) or bool(environment.decided(value.line, content))
    if isinstance(content, AnswerOf | AnswerPart):
        return Assumed(holds=True)
    if isinstance(content, Assumed) or content is None or isinstance(content, Undefined):
        return content if isinstance(content, Assumed) else False
    if isinstance(content, Template):
        return bool(re.sub(r"\{\{.*?\}\}|\$\{.*?\}", "", content)) or None
    if isinstance(content, Unknown | Draw):
        return None
    return True if isinstance(content, _ALWAYS_TRUE) else bool(content)


def _is_given(text: EnvText) -> bool:
    """Whether a text is not empty whatever its variable is: it has a default, or more than the variable."""
    return not re.fullmatch(r"\$\{[^}:]*(?::-)?\}", text)


def negated(truth_of: bool | Assumed) -> bool | Assumed:  # noqa: FBT001 - a value of the script
    """Return the opposite."""
    return Assumed(holds=not truth_of.holds) if isinstance(truth_of, Assumed) else not truth_of


def holds(truth_of: bool | Assumed) -> bool:  # noqa: FBT001 - a value of the script
    """Return whether it is true, be it known or assumed."""
    return truth_of.holds if isinstance(truth_of, Assumed) else truth_of


def compared(sign: str, left: Value, right: Value, environment: Environment) -> bool | Assumed | None:
    """Compare two values; None where the result is unknown."""
    if isinstance(left.content, EnvText) and right.content is None and len(sign) == 3:
        return not _EQUALITIES[sign]
    of_left, of_right = _decided(left, environment), _decided(right, environment)
    if isinstance(of_left, AnswerPart):
        return _about_answer(sign, of_left, of_right)
    if isinstance(of_left, AnswerOf) and _is_absent(of_right) and sign in _EQUALITIES:
        return Assumed(holds=not _EQUALITIES[sign])
    if sign in _EQUALITIES and any(_is_drawn(one) for one in (of_left, of_right)):
        return not _EQUALITIES[sign] if any(_is_absent(one) for one in (of_left, of_right)) else None
    if not _is_known(of_left) or not _is_known(of_right):
        return None
    if sign in _ORDERS:
        return _ordered(sign, of_left, of_right)
    equal = _equal(of_left, of_right, is_strict=len(sign) == 3)
    return None if equal is None else equal is _EQUALITIES[sign]


def _decided(value: Value, environment: Environment) -> object:
    content = value.content
    if not isinstance(content, EnvText):
        return content
    decided = environment.decided(value.line, content)
    return _UNSET if decided is None else decided


_UNSET = object()


def _is_absent(content: object) -> bool:
    return content is None or content is _UNSET or isinstance(content, Undefined)


def _is_known(content: object) -> bool:
    known = isinstance(content, (str, bool, int, float, *_ALWAYS_TRUE)) and not isinstance(content, Template)
    return known or _is_absent(content)


def _is_drawn(content: object) -> bool:
    """Whether it is a value of each transaction, and so never undefined or null."""
    if isinstance(content, Draw):
        return None not in content.entry.get("of", ())
    return isinstance(content, Template) and not isinstance(content, TemplateAsText)


def _ordered(sign: str, left: object, right: object) -> bool | None:
    both_numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (left, right))
    both_texts = isinstance(left, str) and isinstance(right, str)
    return _ORDERS[sign](left, right) if both_numbers or both_texts else None


def _kind(content: object) -> str:
    if _is_absent(content):
        return "null" if content is None else "undefined"
    if isinstance(content, bool):
        return "boolean"
    if isinstance(content, int | float):
        return "number"
    return "string" if isinstance(content, str) else "object"


def kind_of(content: object) -> str | None:
    """Return what `typeof` says; None where it is unknown."""
    if isinstance(content, Function):
        return "function"
    if isinstance(content, Template):
        return "string"
    if not _is_known(content) or isinstance(content, EnvText):
        return None
    return "object" if content is None else _kind(content)


def _equal(left: object, right: object, *, is_strict: bool) -> bool | None:
    kinds = {_kind(left), _kind(right)}
    if not is_strict and kinds <= {"null", "undefined"}:
        return True
    if kinds & {"null", "undefined"}:
        return len(kinds) == 1
    if "object" in kinds:
        return False if len(kinds) > 1 and is_strict else None
    if len(kinds) > 1:
        return False if is_strict else None
    return left == right


def _about_answer(sign: str, part: AnswerPart, other: object) -> Assumed | None:
    if part.kind == "status" and type(other) is int:
        return _about_status(sign, part, other)
    if sign in _EQUALITIES and (_is_absent(other) or (other == "" and part.kind != "status")):
        return Assumed(holds=not _EQUALITIES[sign])
    return None


def _about_status(sign: str, part: AnswerPart, bound: int) -> Assumed | None:
    """Compare a status with a number: one of those that the checks accept, or else one of success."""
    accepted = part.step.accepted() or set(_SUCCESS)
    compare = _ORDERS.get(sign) or (operator.eq if _EQUALITIES[sign] else operator.ne)
    fitting = {status for status in _ALL if compare(status, bound)}
    if accepted <= fitting:
        return Assumed(holds=True)
    if not accepted & fitting:
        return Assumed(holds=False)
    if part.step.accepted():
        return None
    if not fitting & set(_FAILURE):
        return Assumed(holds=True)
    return None if (set(_ALL) - fitting) & set(_FAILURE) else Assumed(holds=False)
