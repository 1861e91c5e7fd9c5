"""The possible values of an expression, each with its line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alertdrill.agent.import_k6.notes import NotCarried
from alertdrill.agent.import_k6.syntax import Node
from alertdrill.probes.spelling import plain_number

# JavaScript numbers are binary floats: within these limits they are exact, and written without an exponent.
_LARGEST_EXACT, _SMALLEST_PLAIN = 2**53, 1e-6
YamlKeys = dict[str, Any]
"""A mapping of a probe file."""
_VARIABLE = re.compile(r"\$\{[A-Za-z_]")


class EnvText(str):
    """A text with `${NAME}` in it, which is replaced from the environment when the probe file is read."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Json:
    """The result of JSON.stringify, kept as the document."""

    document: Any


@dataclass(frozen=True, slots=True)
class Unknown:
    """An expression without a constant value, with the line and the reason for the note."""

    node: Node
    line: int
    why: str


@dataclass(frozen=True, slots=True)
class Value:
    """A value and its line; lists and dicts hold Values, so that their other parts stay known beside an unknown one."""

    line: int
    content: Any


def unknown(node: Node) -> Value:
    """Return the value of an expression that is not constant."""
    return Value(node.line, Unknown(node, node.line, f"{node.excerpt} is not a constant"))


def plain(value: Value) -> Any:  # noqa: ANN401 - constants of any type
    """Return a value without its lines; raises NotCarried where a part is unknown."""
    content = value.content
    if isinstance(content, Unknown):
        raise NotCarried(content.line, content.why)
    if isinstance(content, Json):
        return text_of(value)
    if isinstance(content, dict):
        return {key: plain(item) for key, item in content.items()}
    return [plain(item) for item in content] if isinstance(content, list) else content


def entries(value: Value, *required: str) -> dict[str, Value]:
    """Return the entries of an object; raises NotCarried where it is not an object, or a required key is missing."""
    if not isinstance(value.content, dict):
        raise NotCarried(value.line, f"{plain(value)!r} is not an object")
    for key in required:
        if key not in value.content:
            raise NotCarried(value.line, f"{key} is missing")
    return value.content


def items(value: Value) -> list[Value]:
    """Return the items of a list; raises NotCarried where it is not a list."""
    if not isinstance(value.content, list):
        raise NotCarried(value.line, f"{plain(value)!r} is not a list")
    return value.content


def number(value: float) -> int | float:
    """Return a number as in JavaScript, where 100.00 is 100; raises ValueError where it is not finite."""
    if not math.isfinite(value):
        raise ValueError("is not finite")
    return int(value) if value.is_integer() and abs(value) <= _LARGEST_EXACT else value


def text_of(value: Value) -> str:
    """Format a value as JavaScript does within a text; raises NotCarried."""
    content = value.content
    if isinstance(content, str):
        return content
    if isinstance(content, bool) or content is None:
        return json.dumps(content)
    if isinstance(content, int | float):
        return _number_text(value.line, content)
    if isinstance(content, Json):
        return _json_text(value.line, content.document)
    plain(value)
    raise NotCarried(value.line, f"a {type(content).__name__} is within a text")


def joined(line: int, parts: Sequence[Value]) -> str:
    """Join values to one text; raises NotCarried where a probe file would read that text differently."""
    texts = [text_of(part) for part in parts]
    whole = "".join(texts)
    from_environment = sum(len(_VARIABLE.findall(text)) for text in texts if isinstance(text, EnvText))
    if len(_VARIABLE.findall(whole)) > from_environment:
        raise NotCarried(line, f"{whole!r} has ${{…}} in it, which a probe file would replace from the environment")
    return EnvText(whole) if from_environment else whole


def has_env(content: object) -> bool:
    """Return whether a plain value contains a text from the environment."""
    if isinstance(content, dict):
        return any(has_env(key) or has_env(item) for key, item in content.items())
    return any(map(has_env, content)) if isinstance(content, list) else isinstance(content, EnvText)


def _number_text(line: int, value: float) -> str:
    if value != 0 and not _SMALLEST_PLAIN <= abs(value) <= _LARGEST_EXACT:
        raise NotCarried(line, f"the number {value} is within a text")
    return plain_number(value)


def _json_text(line: int, document: object) -> str:
    if has_env(document):
        raise NotCarried(line, "JSON from the environment is within a text")
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
