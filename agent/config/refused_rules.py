"""What Prometheus refuses in a rule whose keys all have values of the right type, as `promtool check rules` tells it.

Prometheus 3 takes names of any characters, and 2 does not: such a name is not an error, but it is noted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from alertdrill.agent.config.yaml_source import Source
from alertdrill.units.go_template import TemplateRefused, require_template

_FUNCTIONS = [
    "query",
    "first",
    "label",
    "value",
    "strvalue",
    "args",
    "reReplaceAll",
    "safeHtml",
    "match",
    "title",
    "toUpper",
    "toLower",
    "graphLink",
    "tableLink",
    "sortByLabel",
    "stripPort",
    "stripDomain",
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
    "toTime",
    "toDuration",
    "now",
    "pathPrefix",
    "externalURL",
    "parseDuration",
    "urlQueryEscape",
]
_VARIABLES = ["$labels", "$value", "$externalLabels", "$externalURL"]
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_NOTHING = re.compile(r"(?:0+[a-z]*)*")
_Loc = tuple[int | str, ...]


def refused(source: Source, rules: list[tuple[dict[Any, Any], _Loc]]) -> list[str]:
    """Return the problems of some rules, which are mappings with their paths; note in the source what only 3 takes."""
    problems: list[str] = []
    for rule, loc in rules:
        problems += [source.problem(place, text) for place, text in _of_rule(rule, loc)]
        for place, name in _new_names(rule, loc):
            line = f"{source.path}:{source.line(place)}: the name {name!r} is taken by Prometheus 3 and refused by 2"
            source.passed_over.append(line)
    return problems


def _of_rule(rule: dict[Any, Any], loc: _Loc) -> Iterator[tuple[_Loc, str]]:
    if isinstance(rule.get("expr"), str) and not rule["expr"].strip():
        yield (*loc, "expr"), "is empty, expected PromQL"
    if rule.get("record"):
        yield from _of_recording(rule, loc)
    for key in ("labels", "annotations"):
        texts = rule.get(key)
        for name, text in texts.items() if isinstance(texts, dict) else ():
            if name == "" or (key == "labels" and name == "__name__"):
                yield (
                    (*loc, key, name),
                    f"{name!r} is not a name of {'a label' if key == 'labels' else 'an annotation'}",
                )
            if rule.get("alert") and isinstance(text, str):
                try:
                    require_template(text, _FUNCTIONS, _VARIABLES)
                except TemplateRefused as error:
                    yield (*loc, key, name), f"is not a template: {error}"


def _of_recording(rule: dict[Any, Any], loc: _Loc) -> Iterator[tuple[_Loc, str]]:
    for key in ("for", "keep_firing_for"):
        if isinstance(rule.get(key), str) and not _NOTHING.fullmatch(rule[key]):
            yield (*loc, key), "is of alerts alone, and this is a recording rule"
    if rule.get("annotations"):
        yield (*loc, "annotations"), "are of alerts alone, and this is a recording rule"
    if isinstance(rule["record"], str) and re.search("[{}]", rule["record"]):
        yield (*loc, "record"), f"{rule['record']!r} has braces, expected a name: are they of its expr?"


def _new_names(rule: dict[Any, Any], loc: _Loc) -> Iterator[tuple[_Loc, str]]:
    record = rule.get("record")
    if isinstance(record, str) and record and not _METRIC.fullmatch(record) and not re.search("[{}]", record):
        yield (*loc, "record"), record
    for key in ("labels", "annotations"):
        names = rule.get(key)
        for name in names if isinstance(names, dict) else ():
            if isinstance(name, str) and name and not _LABEL.fullmatch(name):
                yield (*loc, key, name), name
