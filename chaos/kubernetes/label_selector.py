"""Labels to choose pods by, as kubectl takes them (`app=engine,tier in (a, b)`), and as objects hold them. Pure."""

from __future__ import annotations

import re

from alertdrill.chaos.kubernetes.place import Object

_KEY = r"[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_EQUAL = re.compile(rf"(?P<key>{_KEY})\s*(?P<sign>==|=|!=)\s*(?P<value>{_VALUE})")
_SET = re.compile(rf"(?P<key>{_KEY})\s+(?P<sign>in|notin)\s*\(\s*(?P<values>{_VALUE}(\s*,\s*{_VALUE})*)\s*\)")
_EXISTS = re.compile(rf"(?P<sign>!?)\s*(?P<key>{_KEY})")
_COMMA = re.compile(r",(?![^(]*\))")


def parse(text: str) -> Object:
    """Read what kubectl takes into the form of an object's `podSelector`; raises ValueError."""
    return {"matchExpressions": [_requirement(one.strip(), text) for one in _COMMA.split(text)]}


def _requirement(one: str, text: str) -> Object:
    if match := _EQUAL.fullmatch(one):
        operator = "NotIn" if match["sign"] == "!=" else "In"
        return {"key": match["key"], "operator": operator, "values": [match["value"]]}
    if match := _SET.fullmatch(one):
        values = [value.strip() for value in match["values"].split(",")]
        return {"key": match["key"], "operator": "NotIn" if match["sign"] == "notin" else "In", "values": values}
    if match := _EXISTS.fullmatch(one):
        return {"key": match["key"], "operator": "DoesNotExist" if match["sign"] else "Exists"}
    msg = f"{text!r} chooses no labels, expected for example app=engine,tier in (a, b)"
    raise ValueError(msg)


def matches(selector: Object, labels: dict[str, str]) -> bool:
    """Return whether labels are chosen by the selector of an object; an empty one chooses all."""
    equal: dict[str, str] = selector.get("matchLabels") or {}
    return equal.items() <= labels.items() and all(
        _meets(one, labels) for one in selector.get("matchExpressions") or []
    )


def _meets(expression: Object, labels: dict[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[expression["operator"]]
