"""System health: whether the engine and its dependencies have capacity left."""

from __future__ import annotations

from dashboards.panel import Dashboard, Panel, Query, Row, Thresholds

_RESOURCES = "payment_engine_resources"

HEALTH = Dashboard(
    uid="payment-engine-health",
    title="Payment engine: system health",
    text="Whether the payment engine and its dependencies have capacity left.",
    rows=(
        Row(
            "CPU and memory",
            (
                Panel(
                    "CPU usage",
                    "Of one core, by instance; the promise is below 80 % on average.",
                    "percent",
                    (Query(f"{_RESOURCES}_cpu_usage", "{{instance}}"),),
                    Thresholds(70, 80),
                ),
                Panel(
                    "Memory usage",
                    "Of the allowed memory; HighMemoryUsage warns above 85 %.",
                    "percent",
                    (Query(f"{_RESOURCES}_memory_usage", "{{instance}}"),),
                    Thresholds(75, 85),
                    max=100,
                ),
                Panel(
                    "Memory",
                    "The engine's memory, and its limit.",
                    "bytes",
                    (
                        Query(f"{_RESOURCES}_memory_bytes", "{{instance}}, occupied"),
                        Query(f"{_RESOURCES}_memory_limit_bytes", "{{instance}}, allowed"),
                    ),
                ),
            ),
        ),
        Row(
            "Database connections",
            (
                Panel(
                    "Pool in use",
                    "DatabaseConnectionsExhausted wakes the engineer on call above 400 of 500.",
                    "short",
                    (
                        Query(f"{_RESOURCES}_database_connections", "in use"),
                        Query(f"{_RESOURCES}_database_pool_size", "pool"),
                    ),
                    Thresholds(300, 400),
                ),
                Panel(
                    "Pool usage",
                    "Share of the pool's connections in use; the promise is below 80 %.",
                    "percentunit",
                    (Query(f"{_RESOURCES}_database_connections / {_RESOURCES}_database_pool_size", "{{instance}}"),),
                    Thresholds(0.6, 0.8),
                    max=1,
                ),
                Panel(
                    "Waiting for a connection",
                    "Transactions that wait for a free connection.",
                    "short",
                    (Query("payment_engine_transactions_queued", "{{instance}}"),),
                    Thresholds(500, 1000),
                ),
            ),
        ),
        Row(
            "Cache",
            (
                Panel(
                    "Cache hit rate",
                    "Of account look-ups; the promise is above 95 %, LowCacheHitRate fires below 90 %.",
                    "percent",
                    (Query(f"{_RESOURCES}_cache_hit_rate", "{{instance}}"),),
                    Thresholds(95, 90),
                    max=100,
                ),
                Panel(
                    "Cache look-ups",
                    "Hits and misses a second.",
                    "ops",
                    (
                        Query(f"sum(rate({_RESOURCES}_cache_hits_total[$__rate_interval]))", "hits"),
                        Query(f"sum(rate({_RESOURCES}_cache_misses_total[$__rate_interval]))", "misses"),
                    ),
                    form="stack",
                ),
                Panel(
                    "Redis commands",
                    "The time of a look-up as the engine sees it, and the mean time of a command inside Redis.",
                    "s",
                    (
                        Query(
                            "histogram_quantile(0.95, sum by (le)"
                            f" (rate({_RESOURCES}_cache_response_time_seconds_bucket[$__rate_interval])))",
                            "look-up, p95",
                        ),
                        Query(
                            "sum(rate(redis_commands_duration_seconds_total[$__rate_interval]))"
                            " / sum(rate(redis_commands_total[$__rate_interval]))",
                            "command, mean",
                        ),
                    ),
                    Thresholds(0.001, 0.01),
                ),
            ),
        ),
        Row(
            "Settlement",
            (
                Panel(
                    "Kafka consumer lag",
                    "Booked transactions that the settlement has not read yet.",
                    "short",
                    (
                        Query(
                            "sum by (consumergroup, topic) (kafka_consumergroup_lag)", "{{consumergroup}} on {{topic}}"
                        ),
                    ),
                    Thresholds(1000, 10_000),
                    width=12,
                ),
                Panel(
                    "Published and settled",
                    "Messages a second published to the topic, and committed by the consumer group.",
                    "ops",
                    (
                        Query(
                            "sum by (topic) (rate(kafka_topic_partition_current_offset[$__rate_interval]))",
                            "{{topic}}, published",
                        ),
                        Query(
                            "sum by (consumergroup) (rate(kafka_consumergroup_current_offset[$__rate_interval]))",
                            "{{consumergroup}}, committed",
                        ),
                    ),
                    width=12,
                ),
            ),
        ),
        Row(
            "Input and output",
            (
                Panel(
                    "Network",
                    "Bytes a second that the engine received and sent.",
                    "Bps",
                    (
                        Query(
                            f"sum(rate({_RESOURCES}_network_receive_bytes_total[$__rate_interval]))",
                            "received",
                        ),
                        Query(
                            f"sum(rate({_RESOURCES}_network_transmit_bytes_total[$__rate_interval]))",
                            "sent",
                        ),
                    ),
                    width=12,
                ),
                Panel(
                    "Disk",
                    "Bytes a second that the engine read from disks and wrote to them.",
                    "Bps",
                    (
                        Query(f"sum(rate({_RESOURCES}_disk_read_bytes_total[$__rate_interval]))", "read"),
                        Query(f"sum(rate({_RESOURCES}_disk_write_bytes_total[$__rate_interval]))", "written"),
                    ),
                    width=12,
                ),
            ),
        ),
    ),
)
