"""Prometheus rule files and Kubernetes' PrometheusRule resources, read as strictly as Prometheus does, with lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from alertdrill.agent.config.yaml_source import Source
from alertdrill.units.duration import Duration
from alertdrill.units.promql import PromQL
from alertdrill.units.settings import Settings


class AnyRule(Settings):
    """An alerting or a recording rule, whose expression may be newer than our parser."""

    alert: str | None = None
    record: str | None = None
    expr: str
    for_: Duration | None = Field(default=None, alias="for")
    keep_firing_for: Duration | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}

    @model_validator(mode="after")
    def _is_one_of_two(self) -> AnyRule:
        if (self.alert is None) == (self.record is None):
            msg = "expected either alert or record"
            raise ValueError(msg)
        return self


class Rule(AnyRule):
    """An alerting or a recording rule."""

    expr: PromQL


class AnyGroup(Settings):
    """Rules that are evaluated one after another, at one interval."""

    name: str
    interval: Duration | None = None
    query_offset: Duration | None = None
    limit: int = 0
    labels: dict[str, str] = {}
    rules: tuple[AnyRule, ...]


class Group(AnyGroup):
    """Rules of which each is PromQL that we can read."""

    rules: tuple[Rule, ...]


class AnyRuleFile(Settings):
    """The whole of a rule file, whose expressions may be newer than our parser."""

    groups: tuple[AnyGroup, ...]


class RuleFile(AnyRuleFile):
    """The whole of a rule file."""

    groups: tuple[Group, ...]


class _Resource(Settings):
    """What a Kubernetes resource has beside its specification."""

    api_version: str = Field(alias="apiVersion", pattern=r"^monitoring\.coreos\.com/")
    kind: Literal["PrometheusRule"]
    metadata: dict[str, Any] = {}
    status: dict[str, Any] = {}


class AnyPrometheusRule(_Resource):
    """A rule file as a resource of the Prometheus operator, whose expressions may be newer than our parser."""

    spec: AnyRuleFile


class PrometheusRule(_Resource):
    """A rule file as a resource of the Prometheus operator."""

    spec: RuleFile


def holds_rules(source: Source) -> bool:
    """Tell whether a file is a rule file, in either form."""
    return isinstance(source.values, dict) and ("groups" in source.values or is_resource(source))


def is_resource(source: Source) -> bool:
    """Tell whether a file is a PrometheusRule resource, whose groups stand below `spec`."""
    return isinstance(source.values, dict) and source.values.get("kind") == "PrometheusRule"


def parse_rules(source: Source) -> RuleFile:
    """Read a rule file in either form; raises ConfigError with every problem of the file."""
    return source.into(PrometheusRule).spec if is_resource(source) else source.into(RuleFile)


def parse_any_rules(source: Source) -> AnyRuleFile:
    """Read a rule file in either form, PromQL that our parser does not know included; raises ConfigError."""
    return source.into(AnyPrometheusRule).spec if is_resource(source) else source.into(AnyRuleFile)


def read_rules(path: Path) -> RuleFile:
    """Read a rule file; raises ConfigError with every problem of the file."""
    return parse_rules(Source(path))
