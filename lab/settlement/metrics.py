"""The settlement's metrics, a component of the payment engine's."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest

_DELAYS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class SettlementMetrics:
    """What became of the messages."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self.settled = self._counter("settled", "Payments settled.")
        self.repeated = self._counter("repeated", "Messages about payments that were settled before.")
        self.unreadable = self._counter("unreadable", "Messages that are no payment.")
        self.failures = self._counter("failures", "Attempts that PostgreSQL or Kafka did not answer.")
        self.delay = Histogram(
            "payment_engine_settlement_delay_seconds",
            "From booking to settlement.",
            buckets=_DELAYS,
            registry=self._registry,
        )

    def render(self) -> bytes:
        """Write the exposition."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"payment_engine_settlement_{name}", text, registry=self._registry)
