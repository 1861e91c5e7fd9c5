"""Alerting rules as Prometheus serves them, in their groups, each with its active alerts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter

from alertdrill.agent.monitoring.wire import NONE_IS_EMPTY, Instant, InstantOrNever, Interval, Labels, Number, Seconds


def _require_name(labels: dict[str, str]) -> dict[str, str]:
    if "alertname" not in labels:
        msg = "an alert without alertname"
        raise ValueError(msg)
    return labels


@dataclass(frozen=True)
class ActiveAlert:
    """An alert that is pending or firing: since when, and its expression's last value."""

    labels: Annotated[Labels, AfterValidator(_require_name)]
    state: str
    active_at: Annotated[Instant, Field(alias="activeAt")]
    value: Number
    annotations: Labels = field(default_factory=dict)
    keep_firing_since: Annotated[InstantOrNever, Field(alias="keepFiringSince")] = None


@dataclass(frozen=True)
class AlertingRule:
    """One rule; `state` is inactive, pending, firing, or unknown before its first evaluation (3.8 and newer).

    `health` is ok, err or unknown. `last_evaluation_at` is the wall clock at the evaluation's start, a few
    milliseconds late; None before the first one.
    """

    name: str
    expr: Annotated[str, Field(alias="query")]
    for_seconds: Annotated[Seconds, Field(alias="duration")]
    health: str
    labels: Labels
    annotations: Labels
    keep_firing_for_seconds: Annotated[Seconds, Field(alias="keepFiringFor")] = 0.0
    state: str = "unknown"
    last_error: Annotated[str, Field(alias="lastError")] = ""
    evaluation_seconds: Annotated[float | None, Field(alias="evaluationTime")] = None
    last_evaluation_at: Annotated[InstantOrNever, Field(alias="lastEvaluation")] = None
    alerts: Annotated[tuple[ActiveAlert, ...], NONE_IS_EMPTY] = ()


def _only_alerting(rules: Any) -> Any:  # noqa: ANN401 - JSON
    """Leave out recording rules: not every server does so itself."""
    if not isinstance(rules, list):
        return () if rules is None else rules
    return [rule for rule in rules if not (isinstance(rule, dict) and rule.get("type") == "recording")]


@dataclass(frozen=True)
class RuleGroup:
    """Rules that are evaluated together, every interval; `file` is a namespace if the rules are not in a file.

    `query_offset_seconds` is None if the server does not report it; Prometheus does not.
    """

    name: str
    file: str
    interval_seconds: Annotated[Interval, Field(alias="interval")]
    rules: Annotated[tuple[AlertingRule, ...], BeforeValidator(_only_alerting)]
    limit: int = 0
    evaluation_seconds: Annotated[float | None, Field(alias="evaluationTime")] = None
    last_evaluation_at: Annotated[InstantOrNever, Field(alias="lastEvaluation")] = None
    query_offset_seconds: Annotated[Seconds | None, Field(alias="queryOffset")] = None


@dataclass(frozen=True)
class RecordingRule:
    """A rule that records the result of an expression under a name."""

    name: str
    expr: Annotated[str, Field(alias="query")]
    labels: Labels = field(default_factory=dict)


def _only_recording(rules: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(rules, list):
        return () if rules is None else rules
    return [rule for rule in rules if not (isinstance(rule, dict) and rule.get("type") == "alerting")]


@dataclass(frozen=True)
class RecordingGroup:
    """A group with its recording rules alone."""

    name: str
    file: str
    interval_seconds: Annotated[Interval, Field(alias="interval")]
    rules: Annotated[tuple[RecordingRule, ...], BeforeValidator(_only_recording)]


@dataclass(frozen=True)
class RecordingPage:
    """All groups with their recording rules."""

    groups: Annotated[tuple[RecordingGroup, ...], NONE_IS_EMPTY]


@dataclass(frozen=True)
class RulePage:
    """A page of groups, and the token of the next page; empty on the last page."""

    groups: Annotated[tuple[RuleGroup, ...], NONE_IS_EMPTY]
    next_token: Annotated[str, Field(alias="groupNextToken")] = ""


RULE_PAGE = TypeAdapter(RulePage)
RECORDING_PAGE = TypeAdapter(RecordingPage)


@dataclass(frozen=True)
class AnyServedRule:
    """An alerting or a recording rule (`type`)."""

    name: str
    expr: Annotated[str, Field(alias="query")]
    type: str = "alerting"
    for_seconds: Annotated[Seconds, Field(alias="duration")] = 0.0
    keep_firing_for_seconds: Annotated[Seconds, Field(alias="keepFiringFor")] = 0.0
    labels: Labels = field(default_factory=dict)
    annotations: Labels = field(default_factory=dict)


@dataclass(frozen=True)
class AnyServedGroup:
    """A group with all its rules, in order."""

    name: str
    file: str
    interval_seconds: Annotated[Interval, Field(alias="interval")]
    rules: Annotated[tuple[AnyServedRule, ...], NONE_IS_EMPTY]
    limit: int = 0
    query_offset_seconds: Annotated[Seconds | None, Field(alias="queryOffset")] = None


@dataclass(frozen=True)
class AnyRulePage:
    """A page of groups with all their rules, and the token of the next page."""

    groups: Annotated[tuple[AnyServedGroup, ...], NONE_IS_EMPTY]
    next_token: Annotated[str, Field(alias="groupNextToken")] = ""


ANY_RULE_PAGE = TypeAdapter(AnyRulePage)
