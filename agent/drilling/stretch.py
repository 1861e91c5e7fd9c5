"""Records a stretch of time without a drill, such as a real incident: what the rules saw, and what the alerts did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from alertdrill import __version__
from alertdrill.agent.config.agent import AgentConfig
from alertdrill.agent.config.drill import Drill
from alertdrill.agent.drilling.evidence import Evidence
from alertdrill.agent.drilling.raw_samples import ReplaySpan, replay_record
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertmanagerRecord, LoadRecord, PrometheusRecord


@dataclass(frozen=True)
class Stretch:
    """From when to when (Unix seconds), and which alerts; `name` takes the place of a drill's name."""

    name: str
    started_at: float
    ended_at: float
    alerts: tuple[str, ...]


async def recorded(config: AgentConfig, stretch: Stretch) -> Recording:
    """Record a stretch of time; raises ConfigError and ServiceUnavailable."""
    async with Prometheus(config.prometheus) as prometheus:
        rules = await prometheus.rules()
        if unknown := sorted(set(stretch.alerts) - {rule.alert for rule in rules}):
            known = ", ".join(sorted({rule.alert for rule in rules})) or "none"
            raise ConfigError(f"no rule makes the alert {unknown[0]}, Prometheus has: {known}")
        flags = await prometheus.flags()
        lookback = flags.lookback_delta_seconds if flags else None
        span = ReplaySpan(stretch.started_at, stretch.ended_at, lookback)
        return Recording(
            alertdrill=__version__,
            drill=_as_drill(stretch),
            is_stretch=True,
            time_scale=config.time_scale,
            started_at=stretch.started_at,
            ended_at=stretch.ended_at,
            phases=[],
            faults=[],
            load=_NO_LOAD,
            prometheus=PrometheusRecord(version=await prometheus.version(), lookback_seconds=lookback),
            alertmanager=AlertmanagerRecord(version="unknown", config=""),
            rules=rules,
            active=[],
            alerts=await Evidence(prometheus, stretch.started_at, stretch.ended_at).alerts(),
            notifications=[],
            outages=[],
            replay=await replay_record(prometheus, stretch.alerts, span),
        )


_NO_LOAD = LoadRecord(
    target_rate=0,
    due=0,
    succeeded=0,
    failed=0,
    dropped=0,
    in_flight_at_end=0,
    reasons={},
    details={},
    lateness_p99_seconds=0,
    seconds=[],
)


def _as_drill(stretch: Stretch) -> Drill:
    """Return what is expected of the alerts: to fire within the stretch."""
    within = timedelta(seconds=stretch.ended_at - stretch.started_at)
    expect = [{"alert": alert, "within": within, "resolves": False} for alert in stretch.alerts]
    summary = f"a stretch of time without a drill, of {len(expect)} alert{'s' if len(expect) > 1 else ''}"
    # A drill has a load; this one sent none.
    return Drill.model_validate({"drill": stretch.name, "summary": summary, "load": {"rate": 1}, "expect": expect})
