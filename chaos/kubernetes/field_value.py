"""A field of an object and the value that it must get: `status.conditions[AllInjected]=True`. Pure.

A name in brackets is the key of a mapping, or the `type` or `name` of an element of a list; a number is an index. The value
of a condition is its `status`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator

from alertdrill.chaos.kubernetes.place import Object
from alertdrill.units.text import one_line

_STEP = r"[A-Za-z_][\w-]*|\[[^\[\]=]+\]"
_WRITTEN = re.compile(rf"\.?(?P<path>(?:{_STEP})(?:\[[^\[\]=]+\]|\.[A-Za-z_][\w-]*)*)=(?P<value>.+)")
_STEPS = re.compile(_STEP)
_LONGEST = 80
_NOTHING = object()


def _require_both(text: str) -> str:
    if not _WRITTEN.fullmatch(text):
        msg = f"{text!r} is not a field with a value, expected for example status.conditions[AllInjected]=True"
        raise ValueError(msg)
    return text


FieldValue = Annotated[str, AfterValidator(_require_both)]


def unmet(field_value: FieldValue, there: Object) -> str:
    """Return what the field has instead of the value, in words; an empty text when it has it."""
    match = _WRITTEN.fullmatch(field_value)
    assert match is not None  # noqa: S101 - it was checked when it was read
    path, wanted = match["path"], match["value"]
    found = _found(there, _STEPS.findall(path))
    if found is _NOTHING:
        return f"{path} is not there, expected {wanted}"
    text = _text(found)
    return "" if text == wanted else f"{path} is {one_line(text)[:_LONGEST]}, expected {wanted}"


def _found(value: Any, steps: list[str]) -> Any:  # noqa: ANN401 - JSON
    for step in steps:
        name = step.strip("[]").strip("\"'")
        if isinstance(value, dict):
            value = value.get(name, _NOTHING)
        elif isinstance(value, list):
            value = _element(value, name)
        else:
            return _NOTHING
    is_condition = isinstance(value, dict) and "type" in value and "status" in value
    return value["status"] if is_condition else value


def _element(values: list[Any], name: str) -> Any:  # noqa: ANN401 - JSON
    if name.isdecimal():
        return values[int(name)] if int(name) < len(values) else _NOTHING
    named = (one for one in values if isinstance(one, dict) and name in {one.get("type"), one.get("name")})
    return next(named, _NOTHING)


def _text(value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)
