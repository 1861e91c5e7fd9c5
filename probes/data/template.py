"""Texts with `{{ name }}` in them: compiled once, and then put together by one join for each transaction.

A value is escaped for the place where it stands: a body, JSON, a URL or a header.
In JSON a text that is only a template becomes the bare value: a number stays a number.
Templates in values are not replaced, so an entry `{kind: choice, of: ["{{"]}` sends the braces themselves.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as quoted
from typing import Final
from urllib.parse import quote

from alertdrill.units.secrecy import shown_url

_AsText = Callable[[object], str]
_Segment = str | tuple[str, _AsText]

_NAME = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_URL_AS_IT_IS: Final = "/:?#[]@!$&'()*+,;=%"
_unreserved = re.compile(r"[A-Za-z0-9._~-]*").fullmatch
_dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class RefusedValue(ValueError):
    """A value cannot stand in the place of its template, such as a line break in a header."""


@dataclass(frozen=True, slots=True)
class CompiledTemplate:
    """A compiled text: `render` puts it together from the values of its `names`, as UTF-8.

    `constant` is the complete text when it has no names. `render` raises KeyError for a name without a value, and
    RefusedValue for a value that cannot stand in its place; it raises no other error.
    """

    names: frozenset[str]
    constant: bytes | None
    render: Callable[[Mapping[str, object]], bytes]


def compile_text(text: str, known: Collection[str]) -> CompiledTemplate:
    """Compile a body: values are not escaped. Raises ValueError for a wrong template or an unknown name."""
    return _template(_segments(text, known, value_text))


def compile_json(value: object, known: Collection[str]) -> CompiledTemplate:
    """Compile a value that is sent as JSON, with templates in its texts and keys. Raises ValueError."""
    return _template(list(_json_segments(value, known, "")))


def compile_url(url: str, known: Collection[str]) -> CompiledTemplate:
    """Compile a URL, or its path and query: values are percent-encoded (RFC 3986, section 2). Raises ValueError.

    Scheme, host and port cannot have templates, because connections are opened before values are drawn.
    """
    authority = re.match(r"[a-z][a-z0-9+.-]*://[^/?#]*", url, re.IGNORECASE)
    if authority is not None and "{{" in authority[0]:
        msg = f"{shown_url(authority[0])!r} has a template before the path, expected a fixed host and port"
        raise ValueError(msg)
    segments = _segments(url, known, _url_value)
    return _template([quote(part, _URL_AS_IT_IS) if isinstance(part, str) else part for part in segments])


def compile_header(text: str, known: Collection[str]) -> CompiledTemplate:
    """Compile the value of a header, which refuses control characters such as line breaks. Raises ValueError."""
    return _template(
        [_header_value(part) if isinstance(part, str) else part for part in _segments(text, known, _header_value)]
    )


def value_text(value: object) -> str:
    """Format a value as text: a text stays as it is, anything else becomes JSON. Raises RefusedValue if it cannot."""
    if type(value) is str:
        return value
    if type(value) is int:
        return repr(value)
    return _json_value(value)


def _json_value(value: object) -> str:
    if type(value) is str:
        return quoted(value)
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return repr(value)
    try:
        return _dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        # The message has the type only: formatting the value may fail for the same reason.
        msg = f"a value of type {type(value).__name__} cannot be sent as JSON: {error}"
        raise RefusedValue(msg) from error


def _json_part(value: object) -> str:
    return quoted(value_text(value))[1:-1]


def _url_value(value: object) -> str:
    text = value_text(value)
    return text if _unreserved(text) else quote(text, safe="")


def _header_value(value: object) -> str:
    text = value_text(value)
    # Most texts are printable, and that is quick to find out.
    if not text.isprintable() and _CONTROL.search(text):
        # Without the text, which may be a token.
        msg = "its value has a line break or another control character, which a header cannot hold"
        raise RefusedValue(msg)
    return text


def _segments(text: str, known: Collection[str], as_text: _AsText) -> list[_Segment]:
    parts: list[_Segment] = list(_NAME.split(text))
    for index in range(0, len(parts), 2):
        _require_no_braces(str(parts[index]))
    for index in range(1, len(parts), 2):
        name = str(parts[index])
        _require_known(name, known)
        parts[index] = (name, as_text)
    return parts


def _require_no_braces(literal: str) -> None:
    start = literal.find("{{")
    if start >= 0:
        msg = f"{literal[start : start + 30]!r} is not a template, expected {{{{ name }}}}"
        raise ValueError(msg)


def _require_known(name: str, known: Collection[str]) -> None:
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1)
    expected = f"expected one of: {', '.join(sorted(known))}" if known else "and data has no entries"
    hint = f"did you mean {near[0]}?" if near else expected
    msg = f"unknown name {{{{ {name} }}}}, {hint}"
    raise ValueError(msg)


def _json_segments(value: object, known: Collection[str], path: str) -> Iterator[_Segment]:
    if isinstance(value, str):
        yield from _json_text(value, known)
    elif isinstance(value, dict):
        for index, (key, item) in enumerate(value.items()):
            yield "," if index else "{"
            yield from _json_key(key, known, path)
            yield from _json_segments(item, known, f"{path}.{key}" if path else key)
        yield "}" if value else "{}"
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield "," if index else "["
            yield from _json_segments(item, known, f"{path}[{index}]")
        yield "]" if value else "[]"
    else:
        yield _json_literal(value, path)


def _json_text(text: str, known: Collection[str]) -> list[_Segment]:
    parts = _segments(text, known, _json_part)
    if len(parts) == 3 and parts[0] == parts[2] == "":
        return [(str(parts[1][0]), _json_value)]
    return _json_string(parts)


def _json_key(key: object, known: Collection[str], path: str) -> list[_Segment]:
    if isinstance(key, str):
        return [*_json_string(_segments(key, known, _json_part)), ":"]
    msg = f"{path or 'the top'} has the key {key!r}, expected a text; quote it"
    raise ValueError(msg)


def _json_string(parts: list[_Segment]) -> list[_Segment]:
    return ['"', *(_json_part(part) if isinstance(part, str) else part for part in parts), '"']


def _json_literal(value: object, path: str) -> str:
    try:
        return _json_value(value)
    except RefusedValue as error:
        msg = f"{path or 'the value'}: {value} is a {type(value).__name__}, which JSON does not have; quote it to send text"
        raise ValueError(msg) from error


def _template(segments: list[_Segment]) -> CompiledTemplate:
    parts, slots = _merged(segments)
    names = frozenset(name for _, name, _ in slots)
    if not slots:
        constant = "".join(parts).encode()
        return CompiledTemplate(names, constant, lambda _: constant)

    def render(values: Mapping[str, object]) -> bytes:
        filled = parts.copy()
        try:
            for index, name, as_text in slots:
                filled[index] = as_text(values[name])
            return "".join(filled).encode()
        except UnicodeEncodeError as error:
            msg = f"{error.object!r} has half a character (a lone surrogate), which UTF-8 cannot hold"
            raise RefusedValue(msg) from error

    return CompiledTemplate(names, None, render)


def _merged(segments: list[_Segment]) -> tuple[list[str], tuple[tuple[int, str, _AsText], ...]]:
    """Join neighbouring literals; each slot is the index of a part, the name of its value, and how to format it."""
    parts: list[str] = [""]
    slots = []
    for segment in segments:
        if isinstance(segment, str):
            parts[-1] += segment
            continue
        slots.append((len(parts), *segment))
        parts += ["", ""]
    return parts, tuple(slots)
