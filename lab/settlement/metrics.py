"""The settlement's metrics; their names begin with payment_engine_settlement."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest

_DELAYS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class SettlementMetrics:
    """Counts of messages by what happened to them, and the delay of settlement."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self.settled = self._counter("settled", "Payments settled.")
        self.repeated = self._counter("repeated", "Messages about payments that were already settled.")
        self.unreadable = self._counter("unreadable", "Messages that are not a payment.")
        self.failures = self._counter("failures", "Attempts that failed at PostgreSQL or Kafka.")
        self.delay = Histogram(
            "payment_engine_settlement_delay_seconds",
            "From booking to settlement.",
            buckets=_DELAYS,
            registry=self._registry,
        )

    def render(self) -> bytes:
        """Return the metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"payment_engine_settlement_{name}", text, registry=self._registry)
