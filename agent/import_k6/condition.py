"""Converts a comparison with a part of an answer to a check.

r.status === 201                        {status: 201}
r.status === 200 || r.status === 201    {status: [200, 201]}, also from [200, 201].includes(r.status)
r.status >= 200 && r.status < 300       {status: 2xx}
r.timings.duration < 2000               {time: 2s}
r.body.includes('x')                    {contains: x}, also from r.body.indexOf('x') !== -1
r.json('path') === 5                    {json: path, equals: 5}
r.headers['X'] !== undefined            {header: X, exists: true}
"""

from __future__ import annotations

from collections.abc import Callable

from alertdrill.agent.import_k6.answers import AnswerPart, Answers
from alertdrill.agent.import_k6.constants import evaluate
from alertdrill.agent.import_k6.durations import milliseconds_of, milliseconds_text
from alertdrill.agent.import_k6.notes import NotCarried
from alertdrill.agent.import_k6.syntax import Node
from alertdrill.agent.import_k6.values import YamlKeys, items, plain

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_EQUAL, _UNEQUAL = {"===", "=="}, {"!==", "!="}
# indexOf returns -1 where it finds nothing.
_FOUND = {("!==", -1), ("!=", -1), (">", -1), (">=", 0)}
_USUAL = "expected a usual comparison, such as r.status === 201 or r.timings.duration < 2000"


def read_condition(node: Node, answers: Answers) -> YamlKeys:
    """Return the keys of the check; raises NotCarried for any other form."""
    if node.kind == "call_expression":
        return _includes(node, answers)
    sign = node.fields["operator"].text if node.kind == "binary_expression" else ""
    if sign == "||":
        return _one_of(node, answers)
    if sign == "&&":
        return _hundreds(node, answers)
    if sign:
        left, sign, right = _answer_first(node, sign, answers)
        return _comparison(node, left, sign, right, answers)
    raise _unusual(node)


def _unusual(node: Node) -> NotCarried:
    return NotCarried(node.line, f"{node.excerpt}: {_USUAL}")


def _answer_first(node: Node, sign: str, answers: Answers) -> tuple[Node, str, Node]:
    left, right = node.fields["left"], node.fields["right"]
    return (right, _MIRRORED.get(sign, sign), left) if answers.read(right) else (left, sign, right)


def _comparison(node: Node, left: Node, sign: str, right: Node, answers: Answers) -> YamlKeys:
    reading = answers.read(left)
    if reading is None and left.kind == "call_expression":
        return _index_of(node, left, (sign, plain(evaluate(right, answers.scope))), answers)
    if reading is None:
        raise _unusual(node)
    if right.kind == "undefined" and reading.kind in {"header", "json"} and sign in _EQUAL | _UNEQUAL:
        return reading.subject | {"exists": sign in _UNEQUAL}
    value = evaluate(right, answers.scope)
    if reading.kind == "time" and sign in {"<", "<="}:
        return {"time": milliseconds_text(milliseconds_of(value))}
    if reading.kind == "time" or sign not in _EQUAL:
        raise _unusual(node)
    return _EQUALITIES[reading.kind](node, reading, plain(value))


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
    if answers.read(arguments[0]) == AnswerPart("status"):
        statuses = [plain(item) for item in items(evaluate(function.fields["object"], answers.scope))]
        return {"status": statuses}
    return _part(call, function.fields["object"], arguments[0], answers)


def _index_of(node: Node, call: Node, against: tuple[str, object], answers: Answers) -> YamlKeys:
    """Convert `r.body.indexOf('x') !== -1`."""
    function, arguments = call.fields["function"], call.fields["arguments"].children
    is_index = function.kind == "member_expression" and function.fields["property"].text == "indexOf"
    if not is_index or len(arguments) != 1 or against not in _FOUND:
        raise _unusual(node)
    return _part(node, function.fields["object"], arguments[0], answers)


def _part(node: Node, whole: Node, part: Node, answers: Answers) -> YamlKeys:
    reading, text = answers.read(whole), plain(evaluate(part, answers.scope))
    if reading is None or reading.kind not in {"body", "header", "json"} or not isinstance(text, str):
        raise _unusual(node)
    return reading.subject | {"contains": text}


def _one_of(node: Node, answers: Answers) -> YamlKeys:
    sides = [read_condition(node.fields[side], answers).get("status") for side in ("left", "right")]
    if None in sides:
        raise _unusual(node)
    statuses = [status for side in sides for status in (side if isinstance(side, list) else [side])]
    return {"status": list(dict.fromkeys(statuses))}


def _hundreds(node: Node, answers: Answers) -> YamlKeys:
    """Convert `r.status >= 200 && r.status < 300`."""
    try:
        bounds = dict(_status_bound(node.fields[side], answers) for side in ("left", "right"))
    except NotCarried as reason:
        raise NotCarried(node.line, f"{node.excerpt}: a check has one condition, write a check for each") from reason
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
    bound = plain(evaluate(right, answers.scope)) if answers.read(left) == AnswerPart("status") else None
    if type(bound) is not int:
        raise _unusual(node)
    return {"<=": "<", ">": ">="}.get(sign, sign), bound + (sign in {"<=", ">"})
