"""Dividing every duration of a monitoring stack, so that a rule of minutes is tested in seconds.

Thresholds stay as they are. No target is scraped more often than four times a second: the interval also limits the
time of a scrape, and a service does not answer faster at another time scale.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from alertdrill.units.duration import format_duration, parse_duration
from alertdrill.units.promql import parse

_KEYS = {
    "scrape_interval",
    "scrape_timeout",
    "evaluation_interval",
    "interval",
    "for",
    "keep_firing_for",
    "query_offset",
    "rule_query_offset",
    "group_wait",
    "group_interval",
    "repeat_interval",
    "resolve_timeout",
}
_SHORTEST = timedelta(milliseconds=1)
_SCRAPES = {"scrape_interval", "scrape_timeout"}
_SHORTEST_SCRAPE = timedelta(milliseconds=250)

_DURATION = re.compile(r"(?:\d+(?:ms|[smhdwy]))+")
_TOKENS = re.compile(
    r""""(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | `[^`]*` | \#[^\n]* | \[[^\]]*\] | \boffset\s+[-+]?\s*[0-9a-z]+""",
    re.VERBOSE | re.IGNORECASE,
)


def scale_duration(text: str, factor: float) -> str:
    """Divide a duration as Prometheus writes it; one that is not zero stays at least a millisecond."""
    duration = parse_duration(text)
    return format_duration(max(duration / factor, _SHORTEST) if duration else duration)


def scale_prometheus(config: dict[str, Any], factor: float) -> dict[str, Any]:
    """Divide the intervals of prometheus.yml, also those that have their default value."""
    defaults = {"scrape_interval": "1m", "evaluation_interval": "1m"}
    return _scale_mapping(config | {"global": defaults | (config.get("global") or {})}, config, factor)


def scale_rules(config: dict[str, Any], factor: float) -> dict[str, Any]:
    """Divide the intervals, waits and ranges of a rule file."""
    return _scale_mapping(config, config, factor)


def scale_alertmanager(config: dict[str, Any], factor: float) -> dict[str, Any]:
    """Divide all waits of alertmanager.yml, also those that have their default value."""
    waits = {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "4h"}
    complete = config | {
        "global": {"resolve_timeout": "5m"} | (config.get("global") or {}),
        "route": waits | (config.get("route") or {}),
    }
    return _scale_mapping(complete, config, factor)


def _scale_mapping(complete: dict[str, Any], config: dict[str, Any], factor: float) -> dict[str, Any]:
    scaled: dict[str, Any] = config if factor == 1 else _scale(complete, factor)
    return scaled


def _scale(config: Any, factor: float) -> Any:  # noqa: ANN401 - parsed YAML
    if isinstance(config, list):
        return [_scale(item, factor) for item in config]
    if not isinstance(config, dict):
        return config
    return {key: _scale_value(key, value, factor) for key, value in config.items()}


def _scale_value(key: str, value: Any, factor: float) -> Any:  # noqa: ANN401 - parsed YAML
    if key in _SCRAPES and isinstance(value, str):
        original = parse_duration(value)
        return format_duration(max(original / factor, min(original, _SHORTEST_SCRAPE)))
    if key in _KEYS and isinstance(value, str):
        return scale_duration(value, factor)
    if key == "expr":
        return scale_expr(str(value), factor)
    return value if key in {"labels", "annotations"} else _scale(value, factor)


def scale_expr(expr: str, factor: float) -> str:
    """Divide the ranges, steps and offsets of an expression; the rest of its text stays as it is.

    Raises ValueError when it is not PromQL.
    """
    if factor == 1:
        return expr
    parse(expr)
    # The parser gives no positions, and its nodes cannot be made in Python, so the text is edited:
    # outside strings and comments, only durations are in brackets.
    scaled = _TOKENS.sub(lambda token: _scale_token(token[0], factor), expr)
    parse(scaled)
    return scaled


def _scale_token(token: str, factor: float) -> str:
    if token[0] in "\"'`#":
        return token
    return _DURATION.sub(lambda duration: scale_duration(duration[0], factor), token)
