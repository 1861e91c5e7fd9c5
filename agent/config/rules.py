"""Prometheus rule files and Kubernetes' PrometheusRule resources, read as strictly as Prometheus reads them, with lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from alertdrill.agent.config.yaml_source import Source
from alertdrill.units.duration import Duration
from alertdrill.units.promql import PromQL
from alertdrill.units.settings import Settings


class AnyRule(Settings):
    """An alerting or a recording rule, with any text as its expression: it may be newer than our parser."""

    alert: str | None = None
    record: str | None = None
    expr: str
    for_: Duration | None = Field(default=None, alias="for")
    keep_firing_for: Duration | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}

    @model_validator(mode="after")
    def _is_alert_or_record(self) -> AnyRule:
        if (self.alert is None) == (self.record is None):
            msg = "expected either alert or record"
            raise ValueError(msg)
        return self


class Rule(AnyRule):
    """An alerting or a recording rule."""

    expr: PromQL


class AnyGroup(Settings):
    """Rules that Prometheus evaluates one after another, at one interval."""

    name: str
    interval: Duration | None = None
    query_offset: Duration | None = None
    limit: int = 0
    labels: dict[str, str] = {}
    rules: tuple[AnyRule, ...]


class Group(AnyGroup):
    """A group whose expressions are valid PromQL."""

    rules: tuple[Rule, ...]


class AnyRuleFile(Settings):
    """The whole of a rule file, with any text as expressions."""

    groups: tuple[AnyGroup, ...]


class RuleFile(AnyRuleFile):
    """The whole of a rule file, with valid PromQL."""

    groups: tuple[Group, ...]


class _Resource(Settings):
    """The keys of a Kubernetes resource apart from `spec`."""

    api_version: str = Field(alias="apiVersion", pattern=r"^monitoring\.coreos\.com/")
    kind: Literal["PrometheusRule"]
    metadata: dict[str, Any] = {}
    status: dict[str, Any] = {}


class AnyPrometheusRule(_Resource):
    """A rule file as a resource of the Prometheus operator, with any text as expressions."""

    spec: AnyRuleFile


class PrometheusRule(_Resource):
    """A rule file as a resource of the Prometheus operator, with valid PromQL."""

    spec: RuleFile


def holds_rules(source: Source) -> bool:
    """Return whether a file is a rule file or a PrometheusRule."""
    return isinstance(source.values, dict) and ("groups" in source.values or is_resource(source))


def is_resource(source: Source) -> bool:
    """Return whether a file is a PrometheusRule resource, with its groups below `spec`."""
    return isinstance(source.values, dict) and source.values.get("kind") == "PrometheusRule"


def parse_rules(source: Source) -> RuleFile:
    """Read a rule file or a PrometheusRule; raises ConfigError with every problem of the file."""
    return source.into(PrometheusRule).spec if is_resource(source) else source.into(RuleFile)


def parse_any_rules(source: Source) -> AnyRuleFile:
    """Read a rule file or a PrometheusRule without checking its PromQL; raises ConfigError with every problem."""
    return source.into(AnyPrometheusRule).spec if is_resource(source) else source.into(AnyRuleFile)


def read_rules(path: Path) -> RuleFile:
    """Read a rule file; raises ConfigError with every problem of the file."""
    return parse_rules(Source(path))
