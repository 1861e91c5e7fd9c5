"""Reads PromQL that anyone may have written, within fixed limits; and PromQL as a value in a configuration file.

The parser needs a time that grows with the square of the nesting, and ends the whole process when the nesting is many
thousand levels deep. So the parts of an expression are counted before it is parsed, and its depth before it is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Annotated, Any

import promql_parser as promql
from pydantic import AfterValidator

MOST_STEPS = 1_000
"""The most brackets and operators of an expression."""
DEEPEST = 200
"""The deepest nesting of an expression; `a or b or c` is nested two deep."""
_LONGEST_SECONDS = 2**63 // 10**9
"""The longest duration of Prometheus, which counts nanoseconds; a longer one ends the parser in a panic."""
_TEXT = r"""|"(?:[^"\\]|\\.)*+"?|'(?:[^'\\]|\\.)*+'?|`[^`]*+`?|\#[^\n]*+"""
_DURATIONS = re.compile(
    r"\[(?P<range>[^\[\]\"'`#]*)\]|\boffset\s+(?P<offset>[+-]?[\w.]+(?:[+-]\d+)?)" + _TEXT, re.DOTALL | re.IGNORECASE
)
# Each step nests an expression one level deeper at most. Texts and comments hold none.
_STEP = re.compile(r"(?P<step>[(\[+\-*/%^<>=!]|\b(?:and|or|unless|atan2)\b)" + _TEXT, re.DOTALL | re.IGNORECASE)


_CHILDREN: dict[type, Callable[[Any], Sequence[Any]]] = {
    promql.BinaryExpr: lambda node: (node.lhs, node.rhs),
    promql.Call: lambda node: node.args,
    promql.AggregateExpr: lambda node: (node.expr,) if node.param is None else (node.param, node.expr),
    promql.ParenExpr: lambda node: (node.expr,),
    promql.UnaryExpr: lambda node: (node.expr,),
    promql.SubqueryExpr: lambda node: (node.expr,),
}


@lru_cache(maxsize=256)
def parse(expr: str) -> Any:  # noqa: ANN401 - the parser has no types
    """Return the tree of an expression; raises ValueError if it cannot be parsed or is beyond a limit."""
    steps = len(expr)
    if steps > DEEPEST:
        steps = sum(1 for found in _STEP.finditer(expr) if found["step"])
    if steps > MOST_STEPS:
        msg = f"it has more than {MOST_STEPS:,} brackets and operators"
        raise ValueError(msg)
    _require_durations(expr)
    tree = promql.parse(expr)
    if steps > DEEPEST and _is_deeper(tree, DEEPEST):
        msg = f"it is nested more than {DEEPEST} deep"
        raise ValueError(msg)
    return tree


def _require_durations(expr: str) -> None:
    for found in _DURATIONS.finditer(expr):
        for text in (found["range"] or found["offset"] or "").split(":"):
            # Not `>`, for NaN is not a duration either.
            if not abs(_seconds(text)) <= _LONGEST_SECONDS:
                msg = f"the duration {text.strip()} is not within the {_LONGEST_SECONDS:,} s that Prometheus can count"
                raise ValueError(msg)


def _seconds(text: str) -> float:
    """Return a duration without a unit; zero for one with a unit, of which the parser itself refuses too many."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def children(node: Any) -> Sequence[Any]:  # noqa: ANN401 - the parser has no types
    """Return the expressions of which a node is made."""
    return _CHILDREN[type(node)](node) if type(node) in _CHILDREN else ()


def nodes(tree: Any) -> Iterator[Any]:  # noqa: ANN401 - the parser has no types
    """Yield every node of a tree, each before its children."""
    ahead = [tree]
    while ahead:
        node = ahead.pop()
        yield node
        ahead += reversed(children(node))


def _is_deeper(tree: Any, levels: int) -> bool:  # noqa: ANN401 - the parser has no types
    level = [tree]
    for _ in range(levels):
        level = [child for node in level for child in children(node)]
    return bool(level)


def require_promql(expr: str) -> str:
    """Return the expression; raises ValueError when it cannot be parsed."""
    try:
        parse(expr)
    except ValueError as error:
        msg = f"is not PromQL: {error}"
        raise ValueError(msg) from error
    return expr


PromQL = Annotated[str, AfterValidator(require_promql)]
"""A pydantic field type: an expression that can be parsed."""
