from __future__ import annotations

from pathlib import Path

import pytest
import yaml

RULES = Path(__file__).parents[3] / "configs/prometheus/rules.yml"
PROCESSED = "rate(payment_engine_transactions_processed_total[5m])"
# As in the strategy: alert, expression, for, severity, summary, description.
STRATEGY = [
    (
        "HighErrorRate",
        f"rate(payment_engine_errors_total[5m]) / {PROCESSED} > 0.05",
        "1m",
        "critical",
        "High error rate detected",
        "Error rate is {{ $value | humanizePercentage }}",
    ),
    (
        "SystemDown",
        'up{job="payment-engine"} == 0',
        "30s",
        "critical",
        "Payment Engine is down",
        "Service is not responding",
    ),
    (
        "DatabaseConnectionsExhausted",
        "payment_engine_resources_database_connections > 400",
        "1m",
        "critical",
        "Database connections exhausted",
        "Active connections: {{ $value }}",
    ),
    (
        "HighTPS",
        f"{PROCESSED} > 1800",
        "2m",
        "warning",
        "High TPS detected",
        "TPS is {{ $value }} per second",
    ),
    (
        "HighResponseTime",
        "histogram_quantile(0.95, rate(payment_engine_transactions_response_time_seconds_bucket[5m])) > 2",
        "5m",
        "warning",
        "High response time",
        "95th percentile response time is {{ $value }} seconds",
    ),
    (
        "HighMemoryUsage",
        "payment_engine_resources_memory_usage > 85",
        "5m",
        "warning",
        "High memory usage",
        "Memory usage is {{ $value }}%",
    ),
    (
        "LowCacheHitRate",
        "payment_engine_resources_cache_hit_rate < 90",
        "10m",
        "info",
        "Low cache hit rate",
        "Cache hit rate is {{ $value }}%",
    ),
    (
        "HighQueueDepth",
        "payment_engine_transactions_queued > 1000",
        "5m",
        "info",
        "High queue depth",
        "Queue depth is {{ $value }}",
    ),
]


@pytest.mark.parametrize(("alert", "expr", "for_", "severity", "summary", "description"), STRATEGY)
def test_a_rule_is_the_strategys_word_for_word(  # noqa: PLR0913, PLR0917 - all fields of a rule
    alert: str, expr: str, for_: str, severity: str, summary: str, description: str
) -> None:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    (rule,) = [one for one in rules if one["alert"] == alert]
    assert rule["annotations"].pop("runbook_url").endswith(f"/{alert}")
    assert rule == {
        "alert": alert,
        "expr": expr,
        "for": for_,
        "labels": {"severity": severity},
        "annotations": {"summary": summary, "description": description},
    }
