"""Changes to valid inputs: of bytes, and of values in a tree of JSON or YAML."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from typing import Any

_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 0.5, 2**53, 2**63, 10**400, 1e308, -0.0, math.nan, math.inf,
    "", " ", "NaN", "\ud800", "\0", "\u202e", "\n", "9" * 50, "a" * 5000, "é" * 300, "${X}", "{{ x }}", "(a+)+$",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "2026-01-02T03:04:05Z", "1m30s", "99999999999y", "http://[", "../..",
    [], {}, [[]], [None], {"a": None}, {"": ""}, [0] * 300, {"kind": "x"},
)  # fmt: skip
_PIECES = (
    b"\0", b"\xff", b"\xed\xa0\x80", b"\xe2\x80\xae", b"{", b"}", b"[", b"]", b"(", b")", b"&a ", b"*a", b"- ", b": ",
    b"? ", b"|", b">", b"#", b"%", b"\n", b"\r\n", b"\t", b"  ", b"'", b'"', b"\\", b"\\u", b",", b"9" * 30, b"-", b".",
    b"!!int ", b"!!binary ", b"!!timestamp ", b"<<: ", b"---\n", b"${X}", b"{{ x }}", b"null", b"~", b"true", b"1e999",
    b"0x", b"=~", b"`", b"${", b"/*", b"//", b"=>", b"...",
)  # fmt: skip
_LENGTHS = (0, 0, 1, 1, 5, 50)
_TIMES = (1, 1, 1, 1, 2, 200)


def changed_bytes(draw: random.Random, valid: bytes) -> bytes:
    """Change some places of a text: put pieces in, take some out, repeat or move some."""
    content = bytearray(valid)
    for _ in range(draw.choice((1, 1, 2, 4))):
        at, length = draw.randrange(len(content) + 1), draw.choice(_LENGTHS)
        match draw.randrange(6):
            case 0:
                del content[at : at + length + 1]
            case 1:
                other = draw.randrange(len(content) + 1)
                content[at:at] = content[other : other + draw.choice((1, 20, 400))]
            case 2 if at < len(content):
                content[at] = draw.randrange(256)
            case 3 if draw.random() < 0.1:
                del content[at:]
            case _:
                content[at : at + length] = draw.choice(_PIECES) * draw.choice(_TIMES)
    return bytes(content)


def changed_values(draw: random.Random, valid: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a tree with up to three changes; what does not change is shared with the valid one."""
    changed = valid
    for _ in range(draw.choice((1, 1, 2, 3))):
        changed = _changed(draw, changed)
    return changed


def _changed(draw: random.Random, value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict) and value and draw.random() < 0.93:
        key = draw.choice(list(value))
        return {**value, key: _changed(draw, value[key])}
    if isinstance(value, list) and value and draw.random() < 0.9:
        at = draw.randrange(len(value))
        return [*value[:at], _changed(draw, value[at]), *value[at + 1 :]]
    if draw.random() < 0.3:
        return draw.choice(_ODD)
    return next(change for kind, change in _CHANGES if isinstance(value, kind))(draw, value)


def _of_object(draw: random.Random, value: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    if not value:
        return {"a": "b"}
    key = draw.choice(list(value))
    rest = {name: item for name, item in value.items() if name != key}
    return draw.choice((rest, {**rest, f"{key}x": value[key]}, {**value, "other": value[key]}, list(value.values())))


def _of_list(draw: random.Random, value: list[Any]) -> list[Any]:
    if not value:
        return [draw.choice(_ODD)]
    at = draw.randrange(len(value))
    without = [*value[:at], *value[at + 1 :]]
    return draw.choice(
        (without, [*value, value[at]], value[::-1], value[:at], value * 3, [*without, draw.choice(_ODD)])
    )


def _of_text(draw: random.Random, value: str) -> Any:  # noqa: ANN401 - JSON
    if draw.random() < 0.2:
        return draw.choice(
            (value * 2, value[::-1], value.upper(), value[:-1], [value], value.encode("utf-8", "replace").hex())
        )
    return changed_bytes(draw, value.encode("utf-8", "replace")).decode("utf-8", "replace")


def _of_truth(_: random.Random, value: bool) -> Any:  # noqa: ANN401, FBT001 - JSON
    return not value


def _of_number(draw: random.Random, value: float) -> Any:  # noqa: ANN401 - JSON
    step = draw.choice((0.001, 0.5, 1, 7, 15, 60, 3600, 1e6, 1e12))
    try:
        return draw.choice((value + step, value - step, -value, value * 1000, value / 3, str(value), [value]))
    except OverflowError:
        return 0


def _of_nothing(draw: random.Random, _: None) -> Any:  # noqa: ANN401 - JSON
    return draw.choice(_ODD)


_CHANGES: tuple[tuple[Any, Callable[[random.Random, Any], Any]], ...] = (
    (dict, _of_object),
    (list, _of_list),
    (str, _of_text),
    (bool, _of_truth),
    (int | float, _of_number),
    (object, _of_nothing),
)


def changed_json(draw: random.Random, valid: Any) -> bytes:  # noqa: ANN401 - JSON
    """Return the JSON of a tree with changes of its values, or sometimes of its bytes."""
    if draw.random() < 0.15:
        return changed_bytes(draw, json.dumps(valid).encode())
    return json.dumps(changed_values(draw, valid), ensure_ascii=draw.random() < 0.9).encode("utf-8", "surrogatepass")
