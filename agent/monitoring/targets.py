"""The targets of Prometheus: how often each is scraped, and the result of its last scrape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, TypeAdapter

from alertdrill.agent.monitoring.wire import NONE_IS_EMPTY, InstantOrNever, Labels, Seconds


@dataclass(frozen=True)
class Target:
    """One target after relabelling; `health` is up, down, or unknown before its first scrape."""

    labels: Labels
    health: str
    url: Annotated[str, Field(alias="scrapeUrl")] = ""
    pool: Annotated[str, Field(alias="scrapePool")] = ""
    interval_seconds: Annotated[Seconds | None, Field(alias="scrapeInterval")] = None
    timeout_seconds: Annotated[Seconds | None, Field(alias="scrapeTimeout")] = None
    last_scrape_at: Annotated[InstantOrNever, Field(alias="lastScrape")] = None
    last_scrape_seconds: Annotated[float | None, Field(alias="lastScrapeDuration")] = None
    last_error: Annotated[str, Field(alias="lastError")] = ""


@dataclass(frozen=True)
class TargetList:
    """The targets that are scraped now."""

    active: Annotated[tuple[Target, ...], NONE_IS_EMPTY, Field(alias="activeTargets")]


TARGET_LIST = TypeAdapter(TargetList)
