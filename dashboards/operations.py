"""Real-time operations: what is going through the engine right now, how fast, and what fails."""

from __future__ import annotations

from dashboards.panel import Dashboard, Panel, Query, Row, Thresholds

_RATE = "sum(rate(payment_engine_transactions_processed_total[1m]))"
_BUCKETS = "sum by (le) (rate(payment_engine_transactions_response_time_seconds_bucket[$__rate_interval]))"
_WORK = "payment_engine_transactions_processing_time_seconds_bucket"


def _quantiles(buckets: str) -> tuple[Query, ...]:
    return tuple(
        Query(f"histogram_quantile({quantile}, {buckets})", name)
        for quantile, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
    )


OPERATIONS = Dashboard(
    uid="payment-engine-operations",
    title="Payment engine: real-time operations",
    text="What is going through the payment engine right now, how fast, and what fails.",
    rows=(
        Row(
            "Now",
            (
                Panel(
                    "Transactions a second",
                    "Mean of the last minute; HighTPS warns above 1,800/s, and 2,000/s is what the engine is built for.",
                    "ops",
                    (Query(_RATE, "transactions"),),
                    Thresholds(1800, 2000),
                    form="stat",
                    width=5,
                ),
                Panel(
                    "Response time, p95",
                    "The promise is below 2 s; HighResponseTime warns above that.",
                    "s",
                    (Query(f"histogram_quantile(0.95, {_BUCKETS})", "p95"),),
                    Thresholds(1, 2),
                    form="stat",
                    width=5,
                ),
                Panel(
                    "Error rate",
                    "The promise is below 0.1 %; HighErrorRate wakes the engineer on call above 5 %.",
                    "percentunit",
                    (Query(f"sum(rate(payment_engine_errors_total[1m])) / {_RATE}", "errors"),),
                    Thresholds(0.001, 0.05),
                    form="stat",
                    width=5,
                ),
                Panel(
                    "Active transactions",
                    "Accepted and not yet answered.",
                    "short",
                    (Query("sum(payment_engine_transactions_active)", "active"),),
                    Thresholds(500, 1000),
                    form="stat",
                    width=5,
                ),
                Panel(
                    "Engine is up",
                    "Whether Prometheus reaches the engine: 1 is up; SystemDown wakes the engineer on call.",
                    "short",
                    (Query('min(up{job="payment-engine"})', "up"),),
                    Thresholds(1, 0.5),
                    form="stat",
                    width=4,
                ),
            ),
        ),
        Row(
            "Traffic",
            (
                Panel(
                    "Transactions a second over time",
                    "In intervals of a minute: answered transactions, and the target rate of the synthetic load.",
                    "ops",
                    (
                        Query(_RATE, "answered"),
                        Query("sum(alertdrill_target_transactions_per_second)", "synthetic, target"),
                    ),
                    Thresholds(1800, 2000),
                    width=12,
                ),
                Panel(
                    "Response time percentiles",
                    "From the request to its answer, as the engine measures it.",
                    "s",
                    _quantiles(_BUCKETS),
                    Thresholds(2, 5),
                    width=12,
                ),
            ),
        ),
        Row(
            "Errors",
            (
                Panel(
                    "Error rate over time",
                    "The share of transactions that were answered with a server error.",
                    "percentunit",
                    (Query(f"sum(rate(payment_engine_errors_total[1m])) / {_RATE}", "errors"),),
                    Thresholds(0.001, 0.05),
                    width=12,
                ),
                Panel(
                    "Errors by type",
                    "Server errors a second by type, and orders refused as the client's mistake.",
                    "ops",
                    (
                        Query(
                            "sum by (type) (rate(payment_engine_errors_by_type_total[$__rate_interval]))", "{{type}}"
                        ),
                        Query(
                            "sum(rate(payment_engine_transactions_refused_total[$__rate_interval])) or vector(0)",
                            "refused",
                        ),
                    ),
                    form="stack",
                    width=12,
                ),
            ),
        ),
        Row(
            "Queue",
            (
                Panel(
                    "Queue depth",
                    "Transactions that wait for a connection to the database; HighQueueDepth fires above 1,000.",
                    "short",
                    (Query("sum(payment_engine_transactions_queued)", "queued"),),
                    Thresholds(500, 1000),
                    width=8,
                ),
                Panel(
                    "Active transactions over time",
                    "Accepted and not yet answered.",
                    "short",
                    (Query("sum(payment_engine_transactions_active)", "active"),),
                    Thresholds(500, 1000),
                    width=8,
                ),
                Panel(
                    "Processing time",
                    "From getting a database connection until the database has booked the transaction.",
                    "s",
                    _quantiles(f"sum by (le) (rate({_WORK}[$__rate_interval]))"),
                    Thresholds(1, 2),
                    width=8,
                ),
            ),
        ),
    ),
)
