"""Prometheus rule files, read as strictly as Prometheus does, with lines in the errors."""

from __future__ import annotations

from pathlib import Path

import promql_parser as promql
from pydantic import Field, field_validator, model_validator

from agent.yaml_source import Source
from units.duration import Duration
from units.settings import Settings


class Rule(Settings):
    """An alerting or a recording rule."""

    alert: str | None = None
    record: str | None = None
    expr: str
    for_: Duration | None = Field(default=None, alias="for")
    keep_firing_for: Duration | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}

    @field_validator("expr")
    @classmethod
    def _is_promql(cls, expr: str) -> str:
        try:
            promql.parse(expr)
        except ValueError as error:
            msg = f"is no PromQL: {error}"
            raise ValueError(msg) from error
        return expr

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Rule:
        if (self.alert is None) == (self.record is None):
            msg = "expected either alert or record"
            raise ValueError(msg)
        return self


class Group(Settings):
    """Rules that are evaluated one after another, at one interval."""

    name: str
    interval: Duration | None = None
    query_offset: Duration | None = None
    limit: int = 0
    labels: dict[str, str] = {}
    rules: list[Rule]


class RuleFile(Settings):
    """The whole of a rule file."""

    groups: list[Group]


def load(path: Path) -> RuleFile:
    """Read a rule file; raises ConfigError with every problem of the file."""
    return Source(path).into(RuleFile)
