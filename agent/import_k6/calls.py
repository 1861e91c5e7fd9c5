"""The functions of JavaScript and of k6-utils whose values are known: constants, and random values.

To evaluate another one: a row in `PURE`, `FUNCTIONS_OF_K6_UTILS` or `METHODS`. Each returns None where the value is
unknown. https://jslib.k6.io/k6-utils/ has the second ones.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from urllib.parse import quote

from alertdrill.agent.import_k6.answers import AnswerPart
from alertdrill.agent.import_k6.draws import CsvFile, Draw, Draws
from alertdrill.agent.import_k6.notes import NotCarried
from alertdrill.agent.import_k6.scope import Scope
from alertdrill.agent.import_k6.syntax import Node
from alertdrill.agent.import_k6.values import EnvText, Json, Template, Value, document, joined, number, plain, undefined
from alertdrill.units import json_text

_Function = Callable[[Node, Sequence[Value], Scope], object]
_Method = Callable[[object, Sequence[Value], Scope], object]
_MOST_VALUES = 200_000
_LONGEST_ARRAY = 1_000
_ENCODED_AS_IT_IS = "!'()*-._~"


def _stringify(_node: Node, given: Sequence[Value], _scope: Scope) -> object:
    return Json(document(given[0])) if len(given) == 1 else None


def _parse(node: Node, given: Sequence[Value], scope: Scope) -> object:
    content = given[0].content if len(given) == 1 else None
    if isinstance(content, EnvText):
        content = scope.context.environment.required(node.line, content)
    if isinstance(content, AnswerPart):
        return AnswerPart(content.step, "json", "$") if content.kind == "body" else None
    if type(content) is not str:
        return None
    try:
        return as_value(node.line, json_text.parse(content.encode(), _MOST_VALUES)).content
    except ValueError as error:
        raise NotCarried(node.line, f"{node.excerpt} is not JSON: {error}") from error


def as_value(line: int, parsed: object) -> Value:
    """Return a parsed document as a value."""
    if isinstance(parsed, dict):
        return Value(line, {str(key): as_value(line, item) for key, item in parsed.items()})
    return Value(line, [as_value(line, item) for item in parsed] if isinstance(parsed, list) else parsed)


def _open(node: Node, given: Sequence[Value], scope: Scope) -> object:
    name = plain(given[0]) if len(given) in {1, 2} else None
    if isinstance(name, EnvText):
        name = scope.context.environment.required(node.line, name)
    if type(name) is not str or len(given) == 2:
        return None
    text = scope.read_file(node.line, name)
    return joined(node.line, [Value(node.line, text)])


def _csv(node: Node, given: Sequence[Value], scope: Scope) -> object:
    """Evaluate `papaparse.parse(open('./users.csv'), { header: true })`, whose rows are taken in order."""
    options = given[1].content if len(given) == 2 else None
    argument = node.fields["arguments"].children[0] if given else node
    has_header = isinstance(options, dict) and "header" in options and options["header"].content is True
    is_open = argument.kind == "call_expression" and argument.fields["function"].text == "open"
    if not has_header or not is_open:
        return None
    name = argument.fields["arguments"].children[0].text.strip("'\"`")
    rows = [row for row in csv.reader(io.StringIO(scope.read_file(node.line, name))) if row]
    return CsvFile(scope.context.files.written(name), len(rows) - 1)


def _number(_node: Node, given: Sequence[Value], _scope: Scope) -> object:
    content = given[0].content if given else None
    if isinstance(content, EnvText) or (isinstance(content, int | float) and not isinstance(content, bool)):
        return content
    if isinstance(content, Draw) and content.whole_bounds():
        return content
    if type(content) is str and content.strip():
        try:
            return number(float(content))
        except ValueError:
            return None
    return None


def _parse_int(node: Node, given: Sequence[Value], scope: Scope) -> object:
    if given and isinstance(given[0].content, Draw) and given[0].content.bounds():
        return _floor(node, given[:1], scope)
    value = _number(node, given, scope)
    return math.trunc(value) if isinstance(value, float) else value


def _text(node: Node, given: Sequence[Value], _scope: Scope) -> object:
    return joined(node.line, given) if len(given) == 1 else None


def _encoded(node: Node, given: Sequence[Value], _scope: Scope) -> object:
    """Evaluate encodeURIComponent: a probe file encodes what stands for a template in a URL by itself."""
    text = joined(node.line, given) if len(given) == 1 else None
    if isinstance(text, EnvText):
        return None
    return text if text is None or isinstance(text, Template) else quote(text, _ENCODED_AS_IT_IS)


def _random(_node: Node, _given: Sequence[Value], scope: Scope) -> object:
    return scope.context.draws.of(kind="range", from_=0.0, to=1.0)


def _floor(_node: Node, given: Sequence[Value], scope: Scope) -> object:
    return _whole(given, scope.context.draws, 0, -1, math.floor)


def _ceil(_node: Node, given: Sequence[Value], scope: Scope) -> object:
    return _whole(given, scope.context.draws, 1, 0, math.ceil)


def _whole(given: Sequence[Value], draws: Draws, above: int, below: int, rounded: Callable[[float], int]) -> object:
    """Return a random whole number: floor of 0 to 10 is 0 to 9, ceil is 1 to 10."""
    content = given[0].content if len(given) == 1 else None
    if isinstance(content, int | float) and not isinstance(content, bool):
        return rounded(content)
    if not isinstance(content, Draw):
        return None
    if content.whole_bounds():
        return content
    ends = content.bounds()
    if ends is None or not all(float(end).is_integer() for end in ends) or ends[0] >= ends[1]:
        return None
    return draws.of(content.hint, kind="range", from_=int(ends[0]) + above, to=int(ends[1]) + below)


def _uuid(_node: Node, _given: Sequence[Value], scope: Scope) -> object:
    return scope.context.draws.of("id", kind="uuid")


def _random_text(node: Node, _given: Sequence[Value], scope: Scope) -> object:
    drawn = scope.context.draws.of("text", kind="uuid")
    drawn.note = (node.line, f"{node.excerpt} is a random UUID, for data has no other random texts")
    return drawn


def _now(_node: Node, _given: Sequence[Value], scope: Scope) -> object:
    return scope.context.draws.of("now", kind="timestamp", format="unix_ms")


def _between(_node: Node, given: Sequence[Value], scope: Scope) -> object:
    ends = [plain(value) for value in given]
    if len(ends) != 2 or not all(type(end) is int for end in ends) or ends[0] > ends[1]:
        return None
    return scope.context.draws.of(kind="range", from_=ends[0], to=ends[1])


def one_item(node: Node, given: Sequence[Value], scope: Scope) -> object:
    """Evaluate randomItem(list)."""
    content = given[0].content if len(given) == 1 else None
    return scope.context.draws.one_of(node.line, content) if isinstance(content, list) else None


def _array(node: Node, given: Sequence[Value], _scope: Scope) -> object:
    """Evaluate `Array(3)`, which `fill` fills."""
    length = given[0].content if len(given) == 1 else None
    is_short = type(length) is int and 0 <= length <= _LONGEST_ARRAY
    return [undefined(node)] * length if is_short and type(length) is int else None


def _of_numbers(function: Callable[..., float], given: Sequence[Value]) -> object:
    numbers = [value.content for value in given]
    known = numbers and all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers)
    return function(numbers) if known else None


def _round(_node: Node, given: Sequence[Value], _scope: Scope) -> object:
    content = given[0].content if len(given) == 1 else None
    is_number = isinstance(content, int | float) and not isinstance(content, bool)
    return math.floor(content + 0.5) if is_number and isinstance(content, int | float) else None


def _keys(node: Node, given: Sequence[Value], _scope: Scope) -> object:
    content = given[0].content if len(given) == 1 else None
    return [Value(node.line, key) for key in content] if isinstance(content, dict) else None


def _values(_node: Node, given: Sequence[Value], _scope: Scope) -> object:
    content = given[0].content if len(given) == 1 else None
    return list(content.values()) if isinstance(content, dict) else None


def _entries(node: Node, given: Sequence[Value], _scope: Scope) -> object:
    content = given[0].content if len(given) == 1 else None
    if not isinstance(content, dict):
        return None
    return [Value(node.line, [Value(node.line, key), value]) for key, value in content.items()]


PURE: dict[str, _Function] = {
    "Date.now": _now,
    "JSON.parse": _parse,
    "Array": _array,
    "Array.isArray": lambda _node, given, _scope: isinstance(given[0].content, list) if given else None,
    "JSON.stringify": _stringify,
    "Math.ceil": _ceil,
    "Math.floor": _floor,
    "Math.max": lambda _node, given, _scope: _of_numbers(max, given),
    "Math.min": lambda _node, given, _scope: _of_numbers(min, given),
    "Math.random": _random,
    "Math.round": _round,
    "Number": _number,
    "Object.entries": _entries,
    "Object.keys": _keys,
    "Object.values": _values,
    "String": _text,
    "crypto.randomUUID": _uuid,
    "encodeURIComponent": _encoded,
    "open": _open,
    "parseFloat": _number,
    "parseInt": _parse_int,
}
PAPAPARSE: dict[str, _Function] = {"parse": _csv}
FUNCTIONS_OF_K6_UTILS: dict[str, _Function] = {
    "randomString": _random_text,
    "randomIntBetween": _between,
    "randomItem": one_item,
    "uuidv4": _uuid,
}


def of_date(name: str, scope: Scope) -> Draw | None:
    """Return the value of `new Date().toISOString()` and of its like; None for other methods."""
    formats = {"getTime": "unix_ms", "toISOString": "iso", "toJSON": "iso", "valueOf": "unix_ms"}
    if name not in formats:
        return None
    return scope.context.draws.of("now", kind="timestamp", format=formats[name])


def _to_text(of: object, _given: Sequence[Value], _scope: Scope) -> object:
    return joined(0, [Value(0, of)]) if isinstance(of, str | int | float | Draw) else None


def _to_fixed(of: object, given: Sequence[Value], scope: Scope) -> object:
    ends, digits = of.bounds() if isinstance(of, Draw) else None, plain(given[0]) if given else 0
    if ends is None or type(digits) is not int or not 0 <= digits <= 15:
        return None
    drawn = scope.context.draws.of(kind="range", from_=ends[0], to=ends[1], digits=digits)
    return joined(0, [Value(0, drawn)])


def _of_text(function: Callable[..., object], *kinds: type) -> _Method:
    """Return a method of a known text whose arguments are of known kinds; `function` has the text first."""

    def method(of: object, given: Sequence[Value], _scope: Scope) -> object:
        arguments = [value.content for value in given]
        fitting = len(arguments) <= len(kinds) and all(
            type(argument) is kind for argument, kind in zip(arguments, kinds, strict=False)
        )
        try:
            return function(of, *arguments) if type(of) is str and fitting else None
        except TypeError:
            return None

    return method


def _char_at(of: object, given: Sequence[Value], scope: Scope) -> object:
    content = given[0].content if len(given) == 1 else None
    if type(of) is not str or not of.isascii():
        return None
    if type(content) is int:
        return of[content] if 0 <= content < len(of) else ""
    ends = content.whole_bounds() if isinstance(content, Draw) else None
    if ends is None or not 0 <= ends[0] <= ends[1] < len(of):
        return None
    return scope.context.draws.one_of(0, [Value(0, character) for character in of[ends[0] : ends[1] + 1]])


def _sliced(of: str, start: int, end: int | None = None) -> str | None:
    return of[start:end] if of.isascii() and start >= 0 and (end is None or end >= start) else None


def _split(of: str, separator: str) -> list[Value] | None:
    return [Value(0, part) for part in of.split(separator)] if separator else None


def _padded(of: str, length: int, fill: str = " ", *, at_start: bool) -> str | None:
    if len(fill) != 1:
        return None
    return of.rjust(length, fill) if at_start else of.ljust(length, fill)


_TEXT_METHODS: dict[str, _Method] = {
    "endsWith": _of_text(lambda of, part: of.endswith(part), str),
    "padEnd": _of_text(lambda of, *given: _padded(of, *given, at_start=False), int, str),
    "padStart": _of_text(lambda of, *given: _padded(of, *given, at_start=True), int, str),
    "repeat": _of_text(lambda of, times: of * times if 0 <= times * len(of) <= _MOST_VALUES else None, int),
    "replace": _of_text(lambda of, part, by: of.replace(part, by, 1) if "$" not in by else None, str, str),
    "replaceAll": _of_text(lambda of, part, by: of.replace(part, by) if "$" not in by else None, str, str),
    "split": _of_text(_split, str),
    "startsWith": _of_text(lambda of, part: of.startswith(part), str),
    "substring": _of_text(_sliced, int, int),
    "toLowerCase": _of_text(lambda of: of.lower() if of.isascii() else None),
    "toUpperCase": _of_text(lambda of: of.upper() if of.isascii() else None),
    "trim": _of_text(lambda of: of.strip()),
}
TEXT_METHODS = {*_TEXT_METHODS, "concat", "includes", "slice"}


def _included(of: object, given: Sequence[Value], _scope: Scope) -> object:
    part = plain(given[0]) if len(given) == 1 else None
    if type(of) is str and type(part) is str:
        return part in of
    known = isinstance(of, list) and all(isinstance(one.content, str | int) for one in of)
    if not isinstance(of, list) or not known or not isinstance(part, str | int):
        return None
    return any(type(one.content) is type(part) and one.content == part for one in of)


def _joined_list(of: object, given: Sequence[Value], _scope: Scope) -> object:
    separator = given[0].content if given else ","
    if not isinstance(of, list) or type(separator) is not str:
        return None
    parts = [part for one in of for part in (Value(0, separator), one)]
    return joined(0, parts[1:])


def _slice(of: object, given: Sequence[Value], _scope: Scope) -> object:
    ends = [value.content for value in given]
    if not all(type(end) is int for end in ends) or len(ends) > 2 or not isinstance(of, list | str):
        return None
    if isinstance(of, str) and (type(of) is not str or not of.isascii()):
        return None
    return of[slice(*(ends if len(ends) == 2 else [*ends, None])) if ends else slice(None)]


def _concat(of: object, given: Sequence[Value], _scope: Scope) -> object:
    if not isinstance(of, list):
        return joined(0, [Value(0, of), *given]) if isinstance(of, str) else None
    added = [item for value in given for item in (value.content if isinstance(value.content, list) else [value])]
    return [*of, *added]


def _filled(of: object, given: Sequence[Value], _scope: Scope) -> object:
    return [given[0]] * len(of) if isinstance(of, list) and len(given) == 1 else None


METHODS: dict[str, _Method] = {
    **_TEXT_METHODS,
    "charAt": _char_at,
    "concat": _concat,
    "fill": _filled,
    "includes": _included,
    "join": _joined_list,
    "slice": _slice,
    "toFixed": _to_fixed,
    "toString": _to_text,
}
