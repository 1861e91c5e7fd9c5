from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from alertdrill.agent.config.daemon import Freshness
from alertdrill.agent.daemon.metrics import AgentMetrics, Health
from alertdrill.agent.history.index import HistorySummary, Proof
from tests.support.schedules import at

STANDING = HistorySummary(
    proofs=(
        Proof("Down", "critical", 9e8, 1e9, "stop", None),
        Proof("Slow", "warning", 9e8, None, None, None),
        Proof("Odd", "page", 9e8, 2e9, "odd", None),
    ),
    verdicts=(("Down", "late", {"firing": 61.5}),),
    runs=(("stop", 0, 3), ("stop", 3, 1)),
    occurrences=(("weekly", "done", "", 4), ("weekly", "skipped", "blackout", 2)),
)


def shown(health: Health) -> set[str]:
    registry = CollectorRegistry()
    registry.register(AgentMetrics(lambda: health))
    return {line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")}


def test_the_metrics_show_what_is_proven_what_ran_and_what_comes() -> None:
    fresh = Freshness.model_validate({"prove_within": {"critical": "30d", "warning": "90d"}})
    lines = shown(
        Health("c0ffee", is_reloaded=False, reloaded_at=5.0, standing=STANDING, freshness=fresh, unhealed=2,
               loop_lag_seconds=0.25,
               workers={"1": True, "2": False}, worker_deaths=3, next_runs={"weekly": at("2026-06-02T08:00")},
               history_writes={"ok": 7}, history_queue=1)
    )  # fmt: skip
    assert lines >= {
        'alertdrill_alert_last_proven_timestamp_seconds{alert="Down",severity="critical"} 1e+09',
        'alertdrill_alert_last_proven_timestamp_seconds{alert="Slow",severity="warning"} 0.0',
        'alertdrill_alert_prove_by_timestamp_seconds{alert="Down",severity="critical"} 1.002592e+09',
        'alertdrill_alert_prove_by_timestamp_seconds{alert="Slow",severity="warning"} 0.0',
        'alertdrill_alert_last_verdict{alert="Down",verdict="late"} 1.0',
        'alertdrill_detection_seconds{alert="Down",step="firing"} 61.5',
        'alertdrill_runs_total{drill="stop",verdict="passed"} 3.0',
        'alertdrill_runs_total{drill="stop",verdict="inconclusive"} 1.0',
        'alertdrill_occurrences_total{entry="weekly",reason="blackout",state="skipped"} 2.0',
        'alertdrill_schedule_next_run_timestamp_seconds{entry="weekly"} 1.7803872e+09',
        "alertdrill_config_last_reload_successful 0.0",
        "alertdrill_config_last_reload_success_timestamp_seconds 5.0",
        "alertdrill_loop_lag_seconds 0.25",
        'alertdrill_config_hash{sha256="c0ffee"} 1.0',
        'alertdrill_worker_up{worker="2"} 0.0',
        "alertdrill_worker_deaths_total 3.0",
        "alertdrill_faults_unhealed 2.0",
        'alertdrill_history_writes_total{result="ok"} 7.0',
        "alertdrill_history_queue 1.0",
    }
    # Without a limit for its severity there is no instant by which it must be proven.
    assert not any("prove_by" in line and "Odd" in line for line in lines)


def test_an_alert_that_was_never_proven_is_overdue() -> None:
    """`time() > prove_by` must hold for it."""
    fresh = Freshness.model_validate({"prove_within": {"warning": "90d"}})
    lines = shown(Health("", is_reloaded=True, reloaded_at=0.0, standing=STANDING, freshness=fresh))
    assert 'alertdrill_alert_prove_by_timestamp_seconds{alert="Slow",severity="warning"} 0.0' in lines
