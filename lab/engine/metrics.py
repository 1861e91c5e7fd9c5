"""The engine's metrics, under the names of the monitoring strategy."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from lab.engine.cache import Cache
from lab.engine.database import Database

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 7.5, 10, 15, 30)
_ALLOWED_BYTES = 512 * 1024 * 1024


class Metrics:
    """Counts transactions; gauges are read when they are scraped."""

    def __init__(self, database: Database, cache: Cache) -> None:
        self.registry = CollectorRegistry()
        self.processed = self._make(Counter, "transactions_processed", "Transactions answered, however they ended.")
        self.errors = self._make(Counter, "errors", "Transactions that failed for a reason of ours.")
        self.response_time = Histogram(
            "payment_engine_transactions_response_time_seconds",
            "From the request to its answer.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        gauges = {
            "resources_database_connections": ("Connections in use.", lambda: database.in_use),
            "resources_memory_usage": ("Resident memory, percent of what is allowed.", _memory_percent),
            "resources_cache_hit_rate": ("Hits in the last 1,000 look-ups, percent.", lambda: cache.hit_rate_percent),
            "transactions_queued": ("Transactions that wait for a connection.", lambda: database.queued),
        }
        for name, (text, read) in gauges.items():
            Gauge(f"payment_engine_{name}", text, registry=self.registry).set_function(read)

    def _make(self, kind: type[Counter], name: str, text: str) -> Counter:
        return kind(f"payment_engine_{name}", text, registry=self.registry)


def _memory_percent() -> float:
    resident_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return 100.0 * resident_pages * 4096 / _ALLOWED_BYTES
