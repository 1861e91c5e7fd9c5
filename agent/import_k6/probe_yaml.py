"""Formats a probe file as people write one."""

from __future__ import annotations

import re
import sys
from typing import Any

import yaml

from alertdrill.agent.import_k6.values import EnvNumber, EnvText, Template, TemplateAsText, YamlKeys

_PROBE_KEYS = (
    "kind",
    "client",
    "redirects",
    "name",
    "url",
    "method",
    "bearer_token",
    "timeout",
    "headers",
    "json",
    "body",
    "checks",
    "carry",
    "then",
    "data",
)

_RARE_BREAKS = re.compile("[\x85\u2028\u2029]")
_LINE_START = re.compile("^(?=.)", re.MULTILINE)


class _Flow(dict[str, Any]):
    """A mapping on one line: `{duration: 2m, target: 100}`."""


class _FlowList(list[Any]):
    """A list on one line: `[p(95)<2s]`."""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - write repeated values in full
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001 - PyYAML's
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text.strip("\n") else None
    # YAML treats these characters as line breaks, and PyYAML would read them back as others unless they are escaped.
    style = '"' if _RARE_BREAKS.search(text) else style
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style)


_Dumper.add_representer(str, _text)
for _kind in (EnvNumber, EnvText, Template, TemplateAsText):
    _Dumper.add_representer(_kind, _text)
_Dumper.add_representer(
    _Flow, lambda dumper, value: dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=True)
)
_Dumper.add_representer(
    _FlowList, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)
)


def render(comments: list[str], request: YamlKeys, load: YamlKeys | None, thresholds: YamlKeys) -> str:
    """Format a probe file: comments, the probe with its request, then load and thresholds if there are any."""
    probe = {"kind": "http"} | request
    sections = ["".join(f"# {comment}\n" for comment in comments)]
    sections[0] += _section("probe", _in_order(probe))
    if load:
        sections.append(_section("load", {key: _laid_out(key, value) for key, value in load.items()}))
    if thresholds:
        of_metrics = {metric: _thresholds(of_metric) for metric, of_metric in thresholds.items()}
        sections.append(_section("thresholds", of_metrics))
    return "\n".join(sections)


def _in_order(request: YamlKeys) -> YamlKeys:
    return {key: _laid_out(key, request[key]) for key in _PROBE_KEYS if key in request}


def _laid_out(key: str, value: Any) -> Any:  # noqa: ANN401 - YAML holds anything
    if key == "checks":
        return [_flow(check) for check in value]
    if key == "then":
        return [_in_order(request) for request in value]
    if key == "data":
        return {name: _flow(entry) for name, entry in value.items()}
    return [_Flow(stage) for stage in value] if key == "stages" else value


def _flow(value: Any) -> Any:  # noqa: ANN401 - YAML holds anything
    if isinstance(value, dict):
        return _Flow({name: _flow(of) for name, of in value.items()})
    return _FlowList(map(_flow, value)) if isinstance(value, list) else value


def _thresholds(of_metric: list[Any]) -> list[Any]:
    if all(isinstance(threshold, str) for threshold in of_metric):
        return _FlowList(of_metric)
    return [_Flow(threshold) if isinstance(threshold, dict) else threshold for threshold in of_metric]


def _section(name: str, values: YamlKeys) -> str:
    return f"{name}:\n{_LINE_START.sub('  ', _dump(values))}"


def _dump(values: YamlKeys) -> str:
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=sys.maxsize, indent=2)
