"""Which receivers Alertmanager tells of an alert, and after which waits: its routing tree, walked.

Depth first; the first child that matches takes the alert, unless it says `continue`; where no child
matches, the node itself takes it. Waits are inherited.
https://prometheus.io/docs/alerting/latest/configuration/#route
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import yaml

from units.duration import parse_duration

_MATCHER = re.compile(r"\s*(?P<name>[^\s=!~]+)\s*(?P<op>=~|!~|!=|=)\s*(?P<value>.*?)\s*")
_DEFAULTS = {"group_wait": "30s", "group_interval": "5m", "receiver": ""}


@dataclass(frozen=True)
class Route:
    """Where an alert goes: the receiver, and how long its first notification and its updates may wait."""

    receiver: str
    group_wait: timedelta
    group_interval: timedelta


def routes(config: str, labels: dict[str, str]) -> list[Route]:
    """Tell the routes of an alert by Alertmanager's configuration (YAML text as its API serves it)."""
    root = (yaml.safe_load(config) or {}).get("route") or {}
    return _walk(root, dict(_DEFAULTS), labels)


def _walk(node: dict[str, Any], inherited: dict[str, str], labels: dict[str, str]) -> list[Route]:
    settings = {name: str(node.get(name, value)) for name, value in inherited.items()}
    found: list[Route] = []
    for child in node.get("routes") or []:
        if not _matches(child, labels):
            continue
        found += _walk(child, settings, labels)
        if not child.get("continue"):
            break
    if found:
        return found
    return [
        Route(settings["receiver"], parse_duration(settings["group_wait"]), parse_duration(settings["group_interval"]))
    ]


def _matches(node: dict[str, Any], labels: dict[str, str]) -> bool:
    equal = all(labels.get(name, "") == str(value) for name, value in (node.get("match") or {}).items())
    like = all(re.fullmatch(value, labels.get(name, "")) for name, value in (node.get("match_re") or {}).items())
    return equal and like and all(_holds(matcher, labels) for matcher in node.get("matchers") or [])


def _holds(matcher: str, labels: dict[str, str]) -> bool:
    parsed = _MATCHER.fullmatch(matcher)
    if parsed is None:
        return False
    value = parsed["value"].strip('"')
    actual = labels.get(parsed["name"], "")
    match parsed["op"]:
        case "=":
            return actual == value
        case "!=":
            return actual != value
        case "=~":
            return re.fullmatch(value, actual) is not None
        case _:
            return re.fullmatch(value, actual) is None
