"""The part of prometheus.yml on which alerts depend: the intervals of scrapes and evaluations."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, model_validator

from alertdrill.agent.config.yaml_source import read_settings
from alertdrill.units.duration import Duration
from alertdrill.units.settings import Settings

_DEFAULT = timedelta(minutes=1)
_INTERVALS = {"scrape_interval", "scrape_timeout", "evaluation_interval"}


class _Foreign(Settings):
    """A part of another program's file, which may have more keys."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _take_nothing_for_missing(cls, values: Any) -> Any:  # noqa: ANN401 - what YAML held
        """Take an empty value, and an interval of 0, for one that is not there, as Prometheus does."""
        if not isinstance(values, dict):
            return values
        zero = {name for name, value in values.items() if name in _INTERVALS and str(value) in {"0", "0s"}}
        return {name: value for name, value in values.items() if value is not None and name not in zero}


class Global(_Foreign):
    """Intervals for jobs and groups without their own, with Prometheus' defaults."""

    scrape_interval: Duration = _DEFAULT
    scrape_timeout: Duration = timedelta(seconds=10)
    evaluation_interval: Duration = _DEFAULT
    rule_query_offset: Duration = timedelta(0)


class ScrapeJob(_Foreign):
    """A group of targets with the same scrape settings."""

    job_name: str
    scrape_interval: Duration | None = None
    scrape_timeout: Duration | None = None


class PrometheusFile(_Foreign):
    """The keys of prometheus.yml that are used here."""

    global_: Global = Field(default=Global(), alias="global")
    scrape_configs: tuple[ScrapeJob, ...] = ()

    def scrape_seconds(self) -> dict[str, float]:
        """Return the scrape interval of each job."""
        return {
            job.job_name: (job.scrape_interval or self.global_.scrape_interval).total_seconds()
            for job in self.scrape_configs
        }

    def timeout_seconds(self) -> dict[str, float]:
        """Return the scrape timeout of each job, which is never longer than its interval."""
        intervals = self.scrape_seconds()
        return {
            job.job_name: min(
                (job.scrape_timeout or self.global_.scrape_timeout).total_seconds(), intervals[job.job_name]
            )
            for job in self.scrape_configs
        }


def read_prometheus_file(path: Path) -> PrometheusFile:
    """Read prometheus.yml; raises ConfigError with every problem of these keys."""
    return read_settings(path, PrometheusFile, is_plain=True)
