"""Paths to one value in a JSON document: `$.a.b[0].c`, or without `$.` as in k6 and gjson.

No library is used: jsonpath-ng and python-jsonpath return lists of matches, jmespath has another grammar, and each
takes more than ten times as long as following one path, for every answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

MISSING: Final = object()
"""The result of a path when the document has no such value; `None` is JSON's null."""

_KEY = r"(?P<key>(?:[^.\[\]*?#|\\'\"]|\\.)+)"
_FIRST = re.compile(_KEY)
_NEXT = re.compile(
    rf"\.{_KEY}"
    r"|\[(?P<index>-?\d{1,9})\]"
    r"|\['(?P<single>(?:[^'\\]|\\.)*)'\]"
    r'|\["(?P<double>(?:[^"\\]|\\.)*)"\]'
)
_ESCAPE = re.compile(r"\\(.)")
_Step = tuple[str | None, int | None]


def compile_path(text: str) -> Callable[[object], object]:
    r"""Return a function that finds the value at a path in a parsed document, or returns MISSING.

    `.0` is an item of a list or a key of a mapping, `[-1]` is the last item, and `['a.b']` or `a\.b` is a key
    with a dot in it. Raises ValueError, also for wildcards and filters, which may match several values.
    """
    steps = _steps(text)

    def find(value: object) -> object:
        for key, index in steps:
            if type(value) is dict:
                value = value.get(key, MISSING)
            elif type(value) is list and index is not None and -len(value) <= index < len(value):
                value = value[index]
            else:
                return MISSING
        return value

    return find


def _steps(text: str) -> tuple[_Step, ...]:
    rooted = text == "$" or text.startswith(("$.", "$["))
    position = int(rooted)
    steps: list[_Step] = []
    while position < len(text):
        match = (_NEXT if rooted or steps or text[0] == "[" else _FIRST).match(text, position)
        if match is None:
            break
        steps.append(_step(match))
        position = match.end()
    if position < len(text) or not text:
        msg = f"{text!r} is not a JSON path from character {position + 1} on, expected one value such as $.a.b[0].c"
        raise ValueError(msg)
    return tuple(steps)


def _step(match: re.Match[str]) -> _Step:
    found = match.groupdict()
    if found.get("index") is not None:
        return None, int(found["index"])
    quoted = next(value for value in (found["key"], found.get("single"), found.get("double")) if value is not None)
    key = _ESCAPE.sub(r"\1", quoted)
    return key, int(key) if key.isascii() and key.isdigit() and len(key) < 10 and found["key"] else None
