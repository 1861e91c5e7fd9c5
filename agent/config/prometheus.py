"""prometheus.yml, as far as alerts depend on it: how often what is scraped, and how often rules are evaluated."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import ConfigDict, Field

from alertdrill.agent.config.yaml_source import read_settings
from alertdrill.units.duration import Duration
from alertdrill.units.settings import Settings

_DEFAULT = timedelta(minutes=1)


class _Foreign(Settings):
    """A part of another program's file: that program checks what we do not need."""

    model_config = ConfigDict(extra="ignore")


class Global(_Foreign):
    """Intervals of whatever has none of its own, with Prometheus' defaults."""

    scrape_interval: Duration = _DEFAULT
    scrape_timeout: Duration = timedelta(seconds=10)
    evaluation_interval: Duration = _DEFAULT
    rule_query_offset: Duration = timedelta(0)


class Job(_Foreign):
    """A group of targets that are scraped alike."""

    job_name: str
    scrape_interval: Duration | None = None
    scrape_timeout: Duration | None = None


class PrometheusFile(_Foreign):
    """What is read of prometheus.yml."""

    global_: Global = Field(default=Global(), alias="global")
    scrape_configs: tuple[Job, ...] = ()

    def scrape_seconds(self) -> dict[str, float]:
        """Tell the scrape interval of each job."""
        return {
            job.job_name: (job.scrape_interval or self.global_.scrape_interval).total_seconds()
            for job in self.scrape_configs
        }

    def timeout_seconds(self) -> dict[str, float]:
        """Tell how long Prometheus waits for a target of each job that hangs: never longer than its interval."""
        intervals = self.scrape_seconds()
        return {
            job.job_name: min(
                (job.scrape_timeout or self.global_.scrape_timeout).total_seconds(), intervals[job.job_name]
            )
            for job in self.scrape_configs
        }


def read_prometheus_file(path: Path) -> PrometheusFile:
    """Read prometheus.yml; raises ConfigError with every problem of what is read."""
    return read_settings(path, PrometheusFile)
