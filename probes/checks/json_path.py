"""Paths to one value in a JSON document: `$.a.b[0].c`, and without `$.` as k6 and gjson write them.

Why none of the libraries: jsonpath-ng and python-jsonpath answer queries with lists of matches, jmespath
has a grammar of its own, and each costs more than ten times what a walk along one path does, for every answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

MISSING: Final = object()
"""What a path gives when the document has no such value; `None` is JSON's null."""

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
    r"""Make a function that takes a parsed document to the value at a path, or to MISSING.

    `.0` is an item of a list or a key of a mapping, `[-1]` the last item, and `['a.b']` or `a\.b` a key
    with a dot in it. Wildcards and filters name more than one value and are refused. Raises ValueError.
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
        msg = f"{text!r} is no JSON path from character {position + 1} on, expected one value such as $.a.b[0].c"
        raise ValueError(msg)
    return tuple(steps)


def _step(match: re.Match[str]) -> _Step:
    found = match.groupdict()
    if found.get("index") is not None:
        return None, int(found["index"])
    quoted = next(value for value in (found["key"], found.get("single"), found.get("double")) if value is not None)
    key = _ESCAPE.sub(r"\1", quoted)
    return key, int(key) if key.isascii() and key.isdigit() and len(key) < 10 and found["key"] else None
