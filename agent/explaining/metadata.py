"""The types of metrics from a file: the answer of Prometheus' /api/v1/metadata, or the text of a /metrics page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alertdrill.agent.config.yaml_source import read_text
from alertdrill.agent.errors import ConfigError
from alertdrill.units import json_text

_MOST_VALUES = 1_000_000
_TYPE = re.compile(r"^# TYPE (?P<name>\S+) (?P<type>\w+)\s*$", re.MULTILINE)


def read_types(path: Path) -> dict[str, str]:
    """Return the type of each metric of a file; raises ConfigError."""
    text = read_text(path)
    types = _of_answer(text) if text.lstrip().startswith("{") else {f["name"]: f["type"] for f in _TYPE.finditer(text)}
    if not types:
        raise ConfigError(
            f"{path}: has no types, expected the answer of /api/v1/metadata or the text of a /metrics page"
        )
    return types


def _of_answer(text: str) -> dict[str, str]:
    try:
        answer: Any = json_text.parse(text.encode(), _MOST_VALUES)
    except ValueError:
        return {}
    listed = answer.get("data", answer) if isinstance(answer, dict) else {}
    if not isinstance(listed, dict):
        return {}
    first = {name: told[0] for name, told in listed.items() if isinstance(told, list) and told}
    return {name: str(one["type"]) for name, one in first.items() if isinstance(one, Mapping) and "type" in one}
