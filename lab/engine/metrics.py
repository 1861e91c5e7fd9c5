"""The engine's metrics, under the names of the monitoring strategy: `payment_engine_<component>_<metric>_<unit>`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from alertdrill.lab.engine.business import Business

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 7.5, 10, 15, 30)
_FEW_BUCKETS = (0.01, 0.05, 0.25, 1, 2, 5, 30)
_CACHE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1)
# The errors that HighErrorRate counts; each series exists from the start, so that rate() sees the first error.
_ERROR_TYPES = ("queue_full", "database_unavailable", "database_error", "internal")
_MOST_TENANTS = 50


class EngineMetrics:
    """Counters that the service increases, and values that are read at each scrape."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self.business = Business()
        self._registry.register(self.business)
        self.processed = self._counter("transactions_processed", "Transactions answered.")
        # Without labels: the rule divides it by transactions_processed, and PromQL pairs only series of equal labels.
        self.errors = self._counter("errors", "Transactions answered with a server error.")
        by_type = self._counter("errors_by_type", "Transactions answered with a server error.", "type")
        self.errors_by_type = {name: by_type.labels(name) for name in _ERROR_TYPES}
        self.refused = self._counter("transactions_refused", "Transactions refused as the client's mistake.", "reason")
        self.active = Gauge("payment_engine_transactions_active", "Transactions in progress.", registry=self._registry)
        self.response_time = self._histogram("transactions_response_time", "From the request to its answer.", _BUCKETS)
        self.processing_time = self._histogram(
            "transactions_processing_time", "Of each call in the database.", _BUCKETS
        )
        self.cache_time = self._histogram("resources_cache_response_time", "Of a look-up in Redis.", _CACHE_BUCKETS)
        self._tenants = Tenants(self._registry)

    def answered(self, tenant: str, seconds: float, refusal: tuple[int, str] | None) -> None:
        """Count an answer; `refusal` is the HTTP status and the name of the error."""
        self.processed.inc()
        self.response_time.observe(seconds)
        is_error = refusal is not None and refusal[0] >= 500
        if refusal is not None and is_error:
            self.errors.inc()
            self.errors_by_type[refusal[1]].inc()
        elif refusal is not None:
            self.refused.labels(refusal[1]).inc()
        self._tenants.answered(tenant, seconds, is_error=is_error)

    def gauges(self, values: Mapping[str, tuple[str, Callable[[], float]]]) -> None:
        """Publish values that are read at each scrape: {name: (help, how to read it)}."""
        for name, (text, read) in values.items():
            Gauge(f"payment_engine_{name}", text, registry=self._registry).set_function(read)

    def counters(self, values: Mapping[str, tuple[str, Callable[[], float]]]) -> None:
        """Publish counts that are read at each scrape: {name without _total: (help, how to read it)}."""
        self._registry.register(_ReadCounters(values))

    def render(self) -> bytes:
        """Return the metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"payment_engine_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"payment_engine_{name}_seconds", text, buckets=buckets, registry=self._registry)


class Tenants:
    """Response times and errors by tenant; tenants after the first fifty share one name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        text = "From the request to its answer, by tenant."
        name = "payment_engine_tenants_response_time_seconds"
        self._time = Histogram(name, text, ("tenant",), buckets=_FEW_BUCKETS, registry=registry)
        text = "Transactions answered with a server error, by tenant."
        self._errors = Counter("payment_engine_tenants_errors", text, ("tenant",), registry=registry)
        self._known: dict[str, tuple[Histogram, Counter]] = {}

    def answered(self, tenant: str, seconds: float, *, is_error: bool) -> None:
        """Count an answer."""
        time, errors = self._known.get(tenant) or self._add_tenant(tenant)
        time.observe(seconds)
        if is_error:
            errors.inc()

    def _add_tenant(self, tenant: str) -> tuple[Histogram, Counter]:
        name = tenant if len(self._known) < _MOST_TENANTS else "other"
        return self._known.setdefault(name, (self._time.labels(name), self._errors.labels(name)))


class _ReadCounters(Collector):
    def __init__(self, values: Mapping[str, tuple[str, Callable[[], float]]]) -> None:
        self._values = values

    def collect(self) -> Iterable[Metric]:
        for name, (text, read) in self._values.items():
            yield CounterMetricFamily(f"payment_engine_{name}", text, value=read())
