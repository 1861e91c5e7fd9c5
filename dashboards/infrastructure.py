"""Infrastructure: what the engine runs on, from the metrics of the exporters."""

from __future__ import annotations

from dashboards.panel import Dashboard, Panel, Query, Row, Thresholds

_DATABASE = '{datname!~"template.*"}'

INFRASTRUCTURE = Dashboard(
    uid="payment-engine-infrastructure",
    title="Payment engine: infrastructure",
    text="What the payment engine runs on: Kubernetes, the load balancer, the database, Redis and Kafka.",
    rows=(
        Row(
            "Kubernetes",
            (
                Panel(
                    "Pods by phase",
                    "From kube-state-metrics.",
                    "short",
                    (Query("sum by (phase) (kube_pod_status_phase)", "{{phase}}"),),
                    form="stack",
                ),
                Panel(
                    "Pods that are not ready",
                    "Pods that should be ready and are not; each is missing capacity.",
                    "short",
                    (Query('sum by (namespace) (kube_pod_status_ready{condition="false"})', "{{namespace}}"),),
                    Thresholds(1, 2),
                ),
                Panel(
                    "Replicas available",
                    "Available and desired replicas, by deployment.",
                    "short",
                    (
                        Query("kube_deployment_status_replicas_available", "{{deployment}}, available"),
                        Query("kube_deployment_spec_replicas", "{{deployment}}, desired"),
                    ),
                ),
            ),
        ),
        Row(
            "Load balancer",
            (
                Panel(
                    "Servers up",
                    "Whether each engine passes the load balancer's health check: 1 is up.",
                    "short",
                    (Query('haproxy_server_status{state="UP"}', "{{proxy}} {{server}}"),),
                    Thresholds(1, 0.5),
                    form="state",
                ),
                Panel(
                    "Requests by server",
                    "Answers a second from each engine through the load balancer.",
                    "ops",
                    (
                        Query(
                            "sum by (server) (rate(haproxy_server_http_responses_total[$__rate_interval]))",
                            "{{server}}",
                        ),
                    ),
                    form="stack",
                ),
                Panel(
                    "Errors at the load balancer",
                    "Failed connections and answers with status 5xx a second.",
                    "ops",
                    (
                        Query("sum(rate(haproxy_server_connection_errors_total[$__rate_interval]))", "connections"),
                        Query(
                            'sum(rate(haproxy_server_http_responses_total{code="5xx"}[$__rate_interval]))',
                            "answers of 5xx",
                        ),
                    ),
                    Thresholds(1, 10),
                ),
            ),
        ),
        Row(
            "Database",
            (
                Panel(
                    "Transactions in PostgreSQL",
                    "Committed and rolled back a second.",
                    "ops",
                    (
                        Query(
                            f"sum(rate(pg_stat_database_xact_commit{_DATABASE}[$__rate_interval]))",
                            "committed",
                        ),
                        Query(
                            f"sum(rate(pg_stat_database_xact_rollback{_DATABASE}[$__rate_interval]))",
                            "rolled back",
                        ),
                    ),
                    width=6,
                ),
                Panel(
                    "Connections to PostgreSQL",
                    "By state, and the server's limit.",
                    "short",
                    (
                        Query("sum by (state) (pg_stat_activity_count) > 0", "{{state}}"),
                        Query("max(pg_settings_max_connections)", "allowed"),
                    ),
                    width=6,
                ),
                Panel(
                    "Blocks found in memory",
                    "The share of block reads that PostgreSQL's buffers answered.",
                    "percentunit",
                    (
                        Query(
                            f"sum(rate(pg_stat_database_blks_hit{_DATABASE}[$__rate_interval]))"
                            f" / (sum(rate(pg_stat_database_blks_hit{_DATABASE}[$__rate_interval]))"
                            f" + sum(rate(pg_stat_database_blks_read{_DATABASE}[$__rate_interval])))",
                            "hits",
                        ),
                    ),
                    Thresholds(0.99, 0.95),
                    width=6,
                    max=1,
                ),
                Panel(
                    "Locks and deadlocks",
                    "Locks held by mode, and deadlocks in a minute.",
                    "short",
                    (
                        Query("sum by (mode) (pg_locks_count) > 0", "{{mode}}"),
                        Query(f"60 * sum(rate(pg_stat_database_deadlocks{_DATABASE}[$__rate_interval]))", "deadlocks"),
                    ),
                    width=6,
                ),
            ),
        ),
        Row(
            "Redis",
            (
                Panel(
                    "Redis is up",
                    "Whether the exporter reaches Redis: 1 is up.",
                    "short",
                    (Query("redis_up", "{{instance}}"),),
                    Thresholds(1, 0.5),
                    form="state",
                    width=6,
                ),
                Panel(
                    "Memory of Redis",
                    "Used now, and the highest use so far.",
                    "bytes",
                    (
                        Query("redis_memory_used_bytes", "used"),
                        Query("redis_memory_used_peak_bytes", "peak"),
                    ),
                    width=6,
                ),
                Panel(
                    "Commands",
                    "Commands a second that Redis carried out.",
                    "ops",
                    (Query("rate(redis_commands_processed_total[$__rate_interval])", "{{instance}}"),),
                    width=6,
                ),
                Panel(
                    "Clients and replicas",
                    "Connected clients, blocked clients, and replicas.",
                    "short",
                    (
                        Query("redis_connected_clients", "clients"),
                        Query("redis_blocked_clients", "waiting"),
                        Query("redis_connected_slaves", "replicas"),
                    ),
                    width=6,
                ),
            ),
        ),
        Row(
            "Kafka",
            (
                Panel(
                    "Brokers",
                    "Brokers of the cluster that answer.",
                    "short",
                    (Query("kafka_brokers", "{{instance}}"),),
                    Thresholds(1, 0.5),
                    form="stat",
                    width=6,
                ),
                Panel(
                    "Messages in",
                    "Messages a second by topic.",
                    "ops",
                    (
                        Query(
                            "sum by (topic) (rate(kafka_topic_partition_current_offset[$__rate_interval]))",
                            "{{topic}}",
                        ),
                    ),
                    width=6,
                ),
                Panel(
                    "Consumer lag",
                    "Messages that a group has not read yet.",
                    "short",
                    (Query("sum by (consumergroup) (kafka_consumergroup_lag)", "{{consumergroup}}"),),
                    Thresholds(1000, 10_000),
                    width=6,
                ),
                Panel(
                    "Members of consumer groups",
                    "A group without members settles nothing.",
                    "short",
                    (Query("kafka_consumergroup_members", "{{consumergroup}}"),),
                    Thresholds(1, 0.5),
                    width=6,
                ),
            ),
        ),
    ),
)
