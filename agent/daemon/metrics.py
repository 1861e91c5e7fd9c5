"""The metrics of a running agent beside those of its load: proofs, verdicts, schedule, configuration, history, health.

No label grows with traffic: they are the alerts, drills and entries of the configuration and of the history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from alertdrill.agent.config.daemon import Freshness
from alertdrill.agent.history.index import HistorySummary
from alertdrill.agent.serving.metrics import Values, counter, gauge

_LOOK_EVERY_SECONDS = 0.25
_OUTCOMES = {0: "passed", 1: "failed", 2: "refused", 3: "inconclusive", 4: "not healed"}


@dataclass(frozen=True)
class Health:
    """What the metrics show of the agent itself; instants are Unix seconds.

    `workers` tells for each worker whether it sends. `unhealed` counts faults in the ledger that no drill will undo.
    """

    config_sha256: str
    is_reloaded: bool
    reloaded_at: float
    workers: Mapping[str, bool] = field(default_factory=dict)
    worker_deaths: int = 0
    next_runs: Mapping[str, datetime] = field(default_factory=dict)
    history_writes: Mapping[str, int] = field(default_factory=dict)
    history_queue: int = 0
    unhealed: int = 0
    paused_until: float = 0.0
    loop_lag_seconds: float = 0.0
    standing: HistorySummary = field(default_factory=HistorySummary)
    freshness: Freshness = field(default_factory=Freshness)


class AgentMetrics(Collector):
    """The collector; `health` is called at each scrape."""

    def __init__(self, health: Callable[[], Health]) -> None:
        self._health = health

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering does not collect."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with its present value."""
        health = self._health()
        yield from _own(health)
        yield from _proven(health.standing, health.freshness)
        yield from _done(health.standing)
        starts: Values = {(entry,): at.timestamp() for entry, at in health.next_runs.items()}
        yield gauge("schedule_next_run_timestamp_seconds", "When an entry comes next.", starts, "entry")


def _own(health: Health) -> Iterator[Metric]:
    is_reloaded: Values = {(): health.is_reloaded}
    yield gauge("config_last_reload_successful", "Whether the newest configuration is in force.", is_reloaded)
    at: Values = {(): health.reloaded_at}
    yield gauge("config_last_reload_success_timestamp_seconds", "When a configuration came into force last.", at)
    yield gauge("config_hash", "The configuration in force.", {(health.config_sha256,): 1}, "sha256")
    workers: Values = {(name,): is_up for name, is_up in health.workers.items()}
    yield gauge("worker_up", "Whether a worker of the load sends.", workers, "worker")
    yield counter("worker_deaths", "Workers of the load that died.", {(): health.worker_deaths})
    yield gauge("faults_unhealed", "Faults in the ledger that no drill will undo.", {(): health.unhealed})
    yield gauge("loop_lag_seconds", "How late the agent's own loop was last.", {(): health.loop_lag_seconds})
    writes: Values = {(result,): count for result, count in health.history_writes.items()}
    yield counter("history_writes", "Writes to the history, by result.", writes, "result")
    yield gauge("paused_until_timestamp_seconds", "When the pause ends; 0 if there is none.", {(): health.paused_until})
    yield gauge("history_queue", "Writes to the history that wait.", {(): health.history_queue})


def _proven(standing: HistorySummary, freshness: Freshness) -> Iterator[Metric]:
    of_alert = ("alert", "severity")
    proven: Values = {(one.alert, one.severity): one.proven_at or 0.0 for one in standing.proofs}
    yield gauge("alert_last_proven_timestamp_seconds", "The last proof of an alert; 0 if none.", proven, *of_alert)
    limits = freshness.prove_within
    due: Values = {
        key: at + limits[key[1]].total_seconds() if at else 0.0 for key, at in proven.items() if key[1] in limits
    }
    yield gauge("alert_prove_by_timestamp_seconds", "When an alert needs a new proof; 0 if now.", due, *of_alert)


def _done(standing: HistorySummary) -> Iterator[Metric]:
    last: Values = {(alert, outcome): 1.0 for alert, outcome, _ in standing.verdicts}
    yield gauge("alert_last_verdict", "The last verdict on an alert.", last, "alert", "verdict")
    steps: Values = {(alert, step): seconds for alert, _, took in standing.verdicts for step, seconds in took.items()}
    yield gauge(
        "detection_seconds", "From the fault to a step of the alert, in its last drill.", steps, "alert", "step"
    )
    runs: Values = {(drill, _OUTCOMES.get(code, str(code))): float(count) for drill, code, count in standing.runs}
    yield counter("runs", "Drills in the history, by verdict.", runs, "drill", "verdict")
    ended: Values = {(entry, state, reason): float(count) for entry, state, reason, count in standing.occurrences}
    yield counter("occurrences", "Occurrences of the schedule in the history.", ended, "entry", "state", "reason")


class LoopLag:
    """How late the loop wakes a task, in seconds, as a server that answers late would show it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def run(self) -> None:
        """Measure until this is cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + _LOOK_EVERY_SECONDS
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            self.seconds = max(clock() - due, 0.0)
