"""Dividing every duration of a monitoring stack, so that a rule of minutes is proven in seconds.

Thresholds stay. Pure: mappings in, mappings out.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import promql_parser as promql

from units.duration import format_duration, parse_duration

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


def scale_duration(text: str, factor: float) -> str:
    """Divide a duration in Prometheus spelling; what is not zero stays at least a millisecond."""
    duration = parse_duration(text)
    return format_duration(max(duration / factor, _SHORTEST) if duration else duration)


def scale(config: Any, factor: float) -> Any:  # noqa: ANN401 - parsed YAML
    """Divide the durations of a Prometheus, rule or Alertmanager file, at every depth."""
    if factor == 1:
        return config
    if isinstance(config, list):
        return [scale(item, factor) for item in config]
    if not isinstance(config, dict):
        return config
    scaled = {}
    for key, value in config.items():
        if key in _KEYS and isinstance(value, str):
            scaled[key] = scale_duration(value, factor)
        elif key == "expr":
            scaled[key] = scale_expr(value, factor)
        elif key in {"labels", "annotations"}:
            scaled[key] = value
        else:
            scaled[key] = scale(value, factor)
    return scaled


def scale_expr(expr: str, factor: float) -> str:
    """Divide the ranges, steps and offsets of an expression."""

    def shrink(node: Any) -> Any:  # noqa: ANN401 - promql-parser has no types
        if isinstance(node, promql.VectorSelector) and node.offset:
            return promql.parse(f"{_without_offset(node)}{_offset(node, factor)}")
        if isinstance(node, promql.MatrixSelector):
            # Its selector comes here first, so its offset is divided already.
            selector = node.vector_selector
            return promql.parse(f"{_without_offset(selector)}[{_span(node.range, factor)}]{_offset(selector, 1)}")
        if isinstance(node, promql.SubqueryExpr):
            step = "" if node.step is None else _span(node.step, factor)
            return promql.parse(
                f"{_one_line(node.expr)}[{_span(node.range or timedelta(), factor)}:{step}]{_offset(node, factor)}"
            )
        return None

    return _one_line(promql.transform(promql.parse(expr), None, shrink))


def _one_line(node: Any) -> str:  # noqa: ANN401 - promql-parser has no types
    return " ".join(node.prettify().split())


def _without_offset(selector: Any) -> str:  # noqa: ANN401 - promql-parser has no types
    return _one_line(selector).partition(" offset ")[0]


def _span(duration: timedelta, factor: float) -> str:
    return format_duration(max(duration / factor, _SHORTEST))


def _offset(node: Any, factor: float) -> str:  # noqa: ANN401 - promql-parser has no types
    return f" offset {format_duration(node.offset / factor)}" if node.offset else ""
