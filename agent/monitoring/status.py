"""The status of Prometheus: version, start and flags. Other servers with its API report only some of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, TypeAdapter

from alertdrill.agent.monitoring.wire import InstantOrNever, Seconds


@dataclass(frozen=True)
class BuildInfo:
    """The version of the server."""

    version: str


@dataclass(frozen=True)
class RuntimeInfo:
    """Since when it runs, and whether its last reload of the configuration succeeded, and when (in whole seconds)."""

    started_at: Annotated[InstantOrNever, Field(alias="startTime")] = None
    last_config_at: Annotated[InstantOrNever, Field(alias="lastConfigTime")] = None
    reload_succeeded: Annotated[bool | None, Field(alias="reloadConfigSuccess")] = None


@dataclass(frozen=True)
class Flags:
    """The flags that affect when alerts fire and are sent; the same names in 2.42 and 3.x.

    Each is None if the server does not have it.
    """

    for_grace_period_seconds: Annotated[Seconds | None, Field(alias="rules.alert.for-grace-period")] = None
    for_outage_tolerance_seconds: Annotated[Seconds | None, Field(alias="rules.alert.for-outage-tolerance")] = None
    resend_delay_seconds: Annotated[Seconds | None, Field(alias="rules.alert.resend-delay")] = None
    lookback_delta_seconds: Annotated[Seconds | None, Field(alias="query.lookback-delta")] = None


@dataclass(frozen=True)
class MetricMetadata:
    """What a target says of a metric: counter, gauge, histogram, summary or unknown."""

    type: str = "unknown"


@dataclass(frozen=True)
class LoadedConfig:
    """The configuration that the server loaded: YAML text with its secrets masked."""

    text: Annotated[str, Field(alias="yaml")]


BUILD_INFO = TypeAdapter(BuildInfo)
METADATA = TypeAdapter(dict[str, list[MetricMetadata]])
RUNTIME_INFO = TypeAdapter(RuntimeInfo)
FLAGS = TypeAdapter(Flags)
LOADED_CONFIG = TypeAdapter(LoadedConfig)
