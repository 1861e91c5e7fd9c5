"""The possible values of an expression, each with its line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from alertdrill.agent.import_k6.notes import NotCarried
from alertdrill.agent.import_k6.syntax import Node
from alertdrill.probes.spelling import plain_number

# JavaScript numbers are binary floats: within these limits they are exact, and written without an exponent.
_LARGEST_EXACT, _SMALLEST_PLAIN = 2**53, 1e-6
YamlKeys = dict[str, Any]
"""A mapping of a probe file."""
_VARIABLE = re.compile(r"\$\{[A-Za-z_]")
_TEMPLATE = re.compile(r"\{\{\s*[A-Za-z_][A-Za-z0-9_]*\s*\}\}")


class EnvText(str):
    """A text with `${NAME}` in it, which is replaced from the environment when the probe file is read."""

    __slots__ = ()


class EnvNumber(EnvText):
    """A text from the environment whose default is a number, so that in JavaScript it may be either."""

    __slots__ = ()


class Template(str):
    """A text with `{{ name }}` in it, which is a value of each transaction, and perhaps with `${NAME}` as well."""

    __slots__ = ()


class TemplateAsText(Template):
    """A text that is only `{{ name }}`, of a value that was not a text: JSON in a probe file would have it without quotes."""

    __slots__ = ()


class Drawn(Protocol):
    """A value that differs for each transaction."""

    @property
    def template(self) -> Template:
        """The text that stands for it in a probe file; raises NotCarried if it cannot stand there."""
        ...

    @property
    def is_text(self) -> bool:
        """Whether it is known to be a text."""
        ...


@dataclass(frozen=True, slots=True)
class Json:
    """The result of JSON.stringify, kept as the document."""

    document: Any


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function of the script, and the scope in which it stands."""

    node: Node
    scope: Any


@dataclass(frozen=True, slots=True)
class Unknown:
    """An expression without a constant value, with the line and the reason for the note."""

    node: Node
    line: int
    why: str


class Undefined(Unknown):
    """JavaScript's undefined: nothing can be made of it, but it is known to be false in a condition."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Assumed:
    """A condition about an answer, and whether it holds in a transaction whose requests succeed."""

    holds: bool
    node: Node | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """A value and its line; lists and dicts hold Values, so that their other parts stay known beside an unknown one."""

    line: int
    content: Any


def unknown(node: Node) -> Value:
    """Return the value of an expression that is not constant."""
    return Value(node.line, Unknown(node, node.line, f"{node.excerpt} is not a constant"))


def undefined(node: Node) -> Value:
    """Return JavaScript's undefined; a note names `node`, where it came about."""
    return Value(node.line, Undefined(node, node.line, f"{node.excerpt} is not a constant"))


def plain(value: Value) -> Any:  # noqa: ANN401 - constants of any type
    """Return a value without its lines; raises NotCarried where a part is unknown."""
    content = value.content
    if isinstance(content, Unknown):
        raise NotCarried(content.line, content.why)
    if is_drawn(content):
        return template_of(value)
    if isinstance(content, Json):
        return text_of(value)
    if isinstance(content, Function):
        raise NotCarried(value.line, f"{content.node.excerpt} is not a constant")
    if isinstance(content, dict):
        return {key: plain(item) for key, item in content.items()}
    if not (content is None or isinstance(content, str | int | float | list)):
        raise NotCarried(value.line, "it is not a constant")
    return [plain(item) for item in content] if isinstance(content, list) else content


def is_drawn(content: object) -> bool:
    """Whether a content is a value of each transaction."""
    # Not of the content itself: its template may refuse, and takes a name.
    return hasattr(type(content), "template") and hasattr(type(content), "is_text")


def template_of(value: Value) -> Template:
    """Return the text that stands for a drawn value; raises NotCarried with the value's line."""
    drawn: Drawn = value.content
    try:
        return drawn.template
    except NotCarried as reason:
        raise NotCarried(value.line, reason.why) from reason


def constant(value: Value) -> Any:  # noqa: ANN401 - constants of any type
    """Return a value that is the same for all transactions; raises NotCarried."""
    content = plain(value)
    if has_template(content):
        raise NotCarried(value.line, f"{content} differs for each transaction")
    return content


def document(value: Value) -> Any:  # noqa: ANN401 - JSON of any type
    """Return a value as a document of JSON in a probe file; raises NotCarried where the file would read it differently."""
    content = plain(_without_undefined(value))
    _require_same_in_json(value.line, content)
    return content


def _without_undefined(value: Value) -> Value:
    """Leave out the keys that JSON.stringify leaves out."""
    if not isinstance(value.content, dict):
        return value
    kept = {key: item for key, item in value.content.items() if not isinstance(item.content, Undefined)}
    return Value(value.line, {key: _without_undefined(item) for key, item in kept.items()})


def _require_same_in_json(line: int, content: object) -> None:
    if isinstance(content, dict):
        for item in content.values():
            _require_same_in_json(line, item)
    elif isinstance(content, list):
        for item in content:
            _require_same_in_json(line, item)
    elif isinstance(content, TemplateAsText):
        raise NotCarried(line, f"{content} would be in JSON without its quotes")
    elif isinstance(content, EnvNumber):
        raise NotCarried(line, f"{content} is a number or a text in JSON, by where it comes from")


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
    if is_drawn(content):
        text = template_of(value)
        return text if value.content.is_text else TemplateAsText(text)
    plain(value)
    raise NotCarried(value.line, f"a {type(content).__name__} is within a text")


def joined(line: int, parts: Sequence[Value]) -> str:
    """Join values to one text; raises NotCarried where a probe file would read that text differently."""
    texts = [text_of(part) for part in parts]
    whole = "".join(texts)
    from_environment = sum(len(_VARIABLE.findall(text)) for text in texts if isinstance(text, EnvText | Template))
    if len(_VARIABLE.findall(whole)) > from_environment:
        raise NotCarried(line, f"{whole!r} has ${{…}} in it, which a probe file would replace from the environment")
    drawn = sum(len(_TEMPLATE.findall(text)) for text in texts if isinstance(text, Template))
    if len(_TEMPLATE.findall(whole)) > drawn:
        raise NotCarried(line, f"{whole!r} has {{{{…}}}} in it, which a probe file would replace")
    if drawn:
        only = [text for text in texts if text]
        return only[0] if len(only) == 1 else Template(whole)
    return EnvText(whole) if from_environment else whole


def has_env(content: object) -> bool:
    """Return whether a plain value contains a text from the environment."""
    if isinstance(content, dict):
        return any(has_env(key) or has_env(item) for key, item in content.items())
    return any(map(has_env, content)) if isinstance(content, list) else isinstance(content, EnvText)


def has_template(content: object) -> bool:
    """Return whether a plain value contains a value of each transaction."""
    if isinstance(content, dict):
        return any(has_template(key) or has_template(item) for key, item in content.items())
    return any(map(has_template, content)) if isinstance(content, list) else isinstance(content, Template)


def _number_text(line: int, value: float) -> str:
    if value != 0 and not _SMALLEST_PLAIN <= abs(value) <= _LARGEST_EXACT:
        raise NotCarried(line, f"the number {value} is within a text")
    return plain_number(value)


def _json_text(line: int, document: object) -> str:
    if has_env(document):
        raise NotCarried(line, "JSON from the environment is within a text")
    if has_template(document):
        raise NotCarried(line, "JSON with values of the transaction is within a text")
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
