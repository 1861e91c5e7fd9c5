"""Converts a comparison with a part of an answer to a check.

r.status === 201                        {status: 201}
r.status === 200 || r.status === 201    {status: [200, 201]}, also from [200, 201].includes(r.status)
r.status >= 200 && r.status < 300       {status: 2xx}
r.timings.duration < 2000               {time: 2s}
r.body.includes('x')                    {contains: x}, also from r.body.indexOf('x') !== -1
r.json('path') === 5                    {json: path, equals: 5}
r.headers['X'] !== undefined            {header: X, exists: true}
r.status < 500                          {status: [1xx, 2xx, 3xx, 4xx]}
r.json('token'), r.body.length > 0      {json: token, matches: …}, which is not empty
!r.body.includes('x')                   {matches: …}
r.status === 200 && r.json('ok')===true {all: [{status: 200}, {json: ok, equals: true}]}

`==` is carried over where it means the same as `===`: with a part of the answer that has a known type.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from alertdrill.agent.import_k6.answers import AnswerPart, Step
from alertdrill.agent.import_k6.constants import evaluate
from alertdrill.agent.import_k6.durations import milliseconds_of, milliseconds_text
from alertdrill.agent.import_k6.notes import NotCarried, Notes
from alertdrill.agent.import_k6.scope import Scope
from alertdrill.agent.import_k6.syntax import Node
from alertdrill.agent.import_k6.values import Value, YamlKeys, constant, items

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_EQUAL, _UNEQUAL = {"===", "=="}, {"!==", "!="}
# indexOf returns -1 where it finds nothing.
_FOUND = {("!==", -1), ("!=", -1), (">", -1), (">=", 0)}
_USUAL = "expected a usual comparison, such as r.status === 201 or r.timings.duration < 2000"


_READABLE = {"body", "header", "json", "status", "time"}


@dataclass(frozen=True, slots=True)
class Answers:
    """The answer that a check is about, what is given to its callbacks, and what its expressions can see."""

    step: Step
    given: Value
    scope: Scope
    notes: Notes

    def read(self, node: Node) -> AnswerPart | None:
        """Return the part that an expression reads; None if it is not of the answer, or has no check."""
        content = evaluate(node, self.scope).content
        if not isinstance(content, AnswerPart) or content.kind not in _READABLE or content.step is not self.step:
            return None
        if content.kind == "header":
            self._note_spelling(node.line, content.of)
        return content

    def _note_spelling(self, line: int, header: str) -> None:
        """Note a name that k6 does not find: Go begins each word of a header with a capital, and no other letter is one."""
        spelled = "-".join(word.capitalize() for word in header.split("-"))
        if header != spelled:
            why = f"k6 has the header {header} as {spelled} alone, so it is undefined there; here any spelling finds it"
            self.notes.say_once(line, why)


def read_condition(node: Node, answers: Answers) -> YamlKeys:
    """Return the keys of the check; raises NotCarried for any other form."""
    reading = answers.read(node)
    if reading is not None:
        return _not_empty(node, reading, answers, _FALSE)
    if node.kind == "call_expression":
        return _called(node, answers)
    if node.kind == "unary_expression":
        return _negated(node, answers)
    sign = node.fields["operator"].text if node.kind == "binary_expression" else ""
    if sign == "||":
        return _one_of(node, answers)
    if sign == "&&":
        return _all(node, answers)
    if sign:
        left, sign, right = _answer_first(node, sign, answers)
        return _comparison(node, left, sign, right, answers)
    raise _unusual(node)


def _unusual(node: Node) -> NotCarried:
    return NotCarried(node.line, f"{node.excerpt}: {_USUAL}")


def _called(node: Node, answers: Answers) -> YamlKeys:
    arguments = node.fields["arguments"].children
    if node.fields["function"].text == "Array.isArray" and len(arguments) == 1:
        reading = answers.read(arguments[0])
        if reading is not None and reading.kind == "json":
            return reading.subject | {"matches": r"^\["}
    return _includes(node, answers)


def _negated(node: Node, answers: Answers) -> YamlKeys:
    """Convert `!!r.body` and `!r.body.includes('x')`."""
    operand = node.fields["argument"]
    if node.fields["operator"].text != "!":
        raise _unusual(node)
    if operand.kind == "unary_expression" and operand.fields["operator"].text == "!":
        return read_condition(operand.fields["argument"], answers)
    if operand.kind != "call_expression" or answers.read(operand) is not None:
        raise _unusual(node)
    keys = _includes(operand, answers)
    if "contains" not in keys or "json" in keys or "header" in keys:
        raise _unusual(node)
    return {"matches": rf"\A(?s:(?!.*{re.escape(keys['contains'])}))"}


# Texts of JSON, and what else JavaScript takes for false.
_FALSE = r"^(?!(?:null|false|0)?\Z)"
_EMPTY, _EMPTY_LIST, _NULL = r"(?s)^.", r"^(?!\[\]\Z)(?s:.)", r"^(?!null\Z)"


def _not_empty(node: Node, reading: AnswerPart, answers: Answers, of_json: str) -> YamlKeys:
    """Convert what asks whether a part of an answer is there and not empty."""
    if reading.kind not in {"body", "header", "json"}:
        raise _unusual(node)
    if reading.kind != "json":
        return reading.subject | {"matches": _EMPTY}
    if of_json == _EMPTY_LIST:
        answers.notes.say(node.line, f"{node.excerpt} is read as one of a list or of a text")
    elif of_json != _FALSE:
        answers.notes.say(node.line, f"{node.excerpt} fails where the key is missing, which k6 lets pass")
    return reading.subject | {"matches": of_json}


def _measured(left: Node, sign: str, right: Node, answers: Answers) -> AnswerPart | None:
    """Return the part whose length a comparison asks to be above 0; None for any other."""
    is_length = left.kind == "member_expression" and left.fields["property"].text == "length"
    if not is_length or (sign, right.text) not in _SOME:
        return None
    return answers.read(left.fields["object"])


_SOME = {(">", "0"), (">=", "1"), ("!==", "0"), ("!=", "0")}


def _answer_first(node: Node, sign: str, answers: Answers) -> tuple[Node, str, Node]:
    left, right = node.fields["left"], node.fields["right"]
    return (right, _MIRRORED.get(sign, sign), left) if answers.read(right) else (left, sign, right)


def _comparison(node: Node, left: Node, sign: str, right: Node, answers: Answers) -> YamlKeys:
    reading = answers.read(left)
    if reading is None and left.kind == "call_expression":
        return _index_of(node, left, (sign, constant(evaluate(right, answers.scope))), answers)
    if reading is None:
        measured = _measured(left, sign, right, answers)
        if measured is None:
            raise _unusual(node)
        return _not_empty(node, measured, answers, _EMPTY_LIST)
    presence = _presence(node, reading, sign, right, answers)
    if presence is not None:
        return presence
    value = evaluate(right, answers.scope)
    if sign in _MIRRORED:
        return _bound(node, reading, sign, value, answers.notes)
    if reading.kind == "time" or sign not in _EQUAL:
        raise _unusual(node)
    found = constant(value)
    if sign == "==":
        found = _as_if_strict(node, reading, found, answers.notes)
    return _EQUALITIES[reading.kind](node, reading, found)


def _presence(node: Node, reading: AnswerPart, sign: str, right: Node, answers: Answers) -> YamlKeys | None:
    """Convert a comparison with undefined, null or an empty text; None for any other."""
    if _is_absence(right, sign, reading):
        return reading.subject | {"exists": sign in _UNEQUAL}
    if reading.kind == "json" and right.kind in {"undefined", "null"}:
        if sign == "==":
            raise _too_loose(node)
        if sign == "!=":
            return reading.subject | {"matches": _NULL}
        if sign == "!==":
            return _not_empty(node, reading, answers, _NULL)
    if sign in _UNEQUAL and right.kind == "string" and constant(evaluate(right, answers.scope)) == "":
        return _not_empty(node, reading, answers, _EMPTY)
    return None


def _bound(node: Node, reading: AnswerPart, sign: str, value: Value, notes: Notes) -> YamlKeys:
    """Convert `r.timings.duration < 2000` and `r.status < 400`."""
    if reading.kind == "time" and sign in {"<", "<="}:
        return {"time": milliseconds_text(milliseconds_of(value))}
    if reading.kind == "status":
        return _status_range(node, sign, constant(value), notes)
    raise _unusual(node)


def _status_range(node: Node, sign: str, bound: object, notes: Notes) -> YamlKeys:
    """Convert `r.status < 400`."""
    if type(bound) is not int:
        raise _unusual(node)
    above = bound + (sign in {"<=", ">"})
    hundreds = range(1, above // 100) if sign in {"<", "<="} else range(above // 100, 6)
    if above % 100 or not hundreds or hundreds[0] < 1:
        raise _unusual(node)
    if sign in {"<", "<="}:
        notes.say(node.line, f"{node.excerpt} is also true in k6 where no answer comes; here its transaction fails")
    return {"status": [f"{hundred}xx" for hundred in hundreds]}


def _is_absence(right: Node, sign: str, reading: AnswerPart) -> bool:
    """Whether a comparison asks if a header or a key is there; a header is a text or undefined, and a key may be null."""
    is_loose = sign in {"==", "!="}
    if reading.kind == "json":
        return right.kind == "undefined" and sign in {"===", "!=="}
    absent = {"undefined", "null"} if is_loose else {"undefined"}
    return reading.kind == "header" and right.kind in absent and sign in _EQUAL | _UNEQUAL


def _as_if_strict(node: Node, reading: AnswerPart, value: object, notes: Notes) -> object:
    """Return what `===` would be compared with instead; raises NotCarried where the types of JavaScript would matter."""
    if reading.kind == "status" and isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if reading.kind != "json":
        return value
    if value is None or isinstance(value, bool) or (isinstance(value, str) and _is_numeric(value)):
        raise _too_loose(node)
    if isinstance(value, int | float):
        notes.say(
            node.line, f"{node.excerpt}: the check takes the number {value:g} alone, and == the text '{value:g}' too"
        )
    return value


def _too_loose(node: Node) -> NotCarried:
    return NotCarried(node.line, f"{node.excerpt}: == takes values of other types for equal, write ===")


def _is_numeric(text: str) -> bool:
    """Whether JavaScript makes a number of a text; an empty one is 0."""
    try:
        return not math.isnan(float(text or "0"))
    except ValueError:
        return not text.strip() or text.strip().lower().startswith(("0x", "0b", "0o"))


def _status(node: Node, _: AnswerPart, value: object) -> YamlKeys:
    if type(value) is not int:
        raise _unusual(node)
    return {"status": value}


def _text(node: Node, reading: AnswerPart, value: object) -> YamlKeys:
    if not isinstance(value, str):
        raise _unusual(node)
    return reading.subject | {"equals": value}


def _json(node: Node, reading: AnswerPart, value: object) -> YamlKeys:
    if isinstance(value, list | dict):
        raise _unusual(node)
    return reading.subject | ({"matches": "^null$"} if value is None else {"equals": value})


_EQUALITIES: dict[str, Callable[[Node, AnswerPart, object], YamlKeys]] = {
    "body": _text,
    "header": _text,
    "json": _json,
    "status": _status,
}


def _includes(call: Node, answers: Answers) -> YamlKeys:
    """Convert `r.body.includes('x')` and `[200, 201].includes(r.status)`."""
    function, arguments = call.fields["function"], call.fields["arguments"].children
    is_includes = function.kind == "member_expression" and function.fields["property"].text == "includes"
    if not is_includes or len(arguments) != 1:
        raise _unusual(call)
    if _is_status(answers.read(arguments[0])):
        statuses = [constant(item) for item in items(evaluate(function.fields["object"], answers.scope))]
        return {"status": statuses}
    return _part(call, function.fields["object"], arguments[0], answers)


def _is_status(part: AnswerPart | None) -> bool:
    return part is not None and part.kind == "status"


def _index_of(node: Node, call: Node, against: tuple[str, object], answers: Answers) -> YamlKeys:
    """Convert `r.body.indexOf('x') !== -1`."""
    function, arguments = call.fields["function"], call.fields["arguments"].children
    is_index = function.kind == "member_expression" and function.fields["property"].text == "indexOf"
    if not is_index or len(arguments) != 1 or against not in _FOUND:
        raise _unusual(node)
    return _part(node, function.fields["object"], arguments[0], answers)


def _part(node: Node, whole: Node, part: Node, answers: Answers) -> YamlKeys:
    reading, text = answers.read(whole), constant(evaluate(part, answers.scope))
    if reading is None or reading.kind not in {"body", "header", "json"} or not isinstance(text, str):
        raise _unusual(node)
    return reading.subject | {"contains": text}


def _one_of(node: Node, answers: Answers) -> YamlKeys:
    sides = [read_condition(node.fields[side], answers).get("status") for side in ("left", "right")]
    if None in sides:
        raise _unusual(node)
    statuses = [status for side in sides for status in (side if isinstance(side, list) else [side])]
    return {"status": list(dict.fromkeys(statuses))}


def _all(node: Node, answers: Answers) -> YamlKeys:
    """Convert `a && b`; `r.status >= 200 && r.status < 300` is one condition."""
    hundreds = _hundreds(node, answers)
    if hundreds is not None:
        return hundreds
    sides = [read_condition(node.fields[side], answers) for side in ("left", "right")]
    return {"all": [condition for side in sides for condition in side.get("all", [side])]}


def _hundreds(node: Node, answers: Answers) -> YamlKeys | None:
    try:
        bounds = dict(_status_bound(node.fields[side], answers) for side in ("left", "right"))
    except NotCarried:
        return None
    lowest, above = bounds.get(">="), bounds.get("<")
    if lowest is None or above is None or lowest % 100 or above % 100 or not 100 <= lowest < above <= 600:
        raise _unusual(node)
    ranges = [f"{hundred}xx" for hundred in range(lowest // 100, above // 100)]
    return {"status": ranges[0] if len(ranges) == 1 else ranges}


def _status_bound(node: Node, answers: Answers) -> tuple[str, int]:
    """Return `>=` or `<` with its bound."""
    if node.kind != "binary_expression":
        raise _unusual(node)
    left, sign, right = _answer_first(node, node.fields["operator"].text, answers)
    bound = constant(evaluate(right, answers.scope)) if _is_status(answers.read(left)) else None
    if type(bound) is not int:
        raise _unusual(node)
    return {"<=": "<", ">": ">="}.get(sign, sign), bound + (sign in {"<=", ">"})
