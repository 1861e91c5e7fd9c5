"""The engine's metrics, under the names of the monitoring strategy."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 7.5, 10, 15, 30)
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Metrics:
    """Counters that the service moves, and gauges that are read when Prometheus asks."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self.processed = Counter(
            "payment_engine_transactions_processed", "Transactions answered.", registry=self._registry
        )
        self.errors = Counter(
            "payment_engine_errors", "Transactions answered with a server error.", registry=self._registry
        )
        self.response_time = Histogram(
            "payment_engine_transactions_response_time_seconds",
            "From the request to its answer.",
            buckets=_BUCKETS,
            registry=self._registry,
        )

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Publish a value that is read at each scrape."""
        Gauge(f"payment_engine_{name}", text, registry=self._registry).set_function(read)

    def render(self) -> bytes:
        """Write the exposition."""
        return generate_latest(self._registry)


def memory_percent(allowed_bytes: int) -> float:
    """Tell how much of the allowed memory this process occupies."""
    resident_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return 100.0 * resident_pages * _PAGE_BYTES / allowed_bytes
