"""The agent's own metrics, read from the tally at each scrape, so that they cost a transaction nothing.

Counts change when a second is added to the tally. Latencies come from HDR histograms, whose bins may reach a
thousandth beyond the bound of a bucket. Histograms have classic buckets only: prometheus-client 0.26 writes native
ones only in OpenMetrics 2, and Prometheus reads them only from protobuf.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import get_args

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from alertdrill import __version__
from alertdrill.agent.recording.records import Phase
from alertdrill.probes.load.tally import Distribution, Tally
from alertdrill.probes.outcome import Reason

# 2 s and 5 s are the objectives of the payment engine for p95 and p99.
_LATENCY_SECONDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0),
)
# A transaction that is later than a second is not sent.
_LATENESS_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)

Values = Mapping[tuple[str, ...], float]
"""The samples of one family, by the values of its labels."""


def registry(state: Callable[[], AgentState], more: Iterable[Collector] = ()) -> CollectorRegistry:
    """Make the registry of a process, with further metrics; `state` is called at each scrape."""
    made = CollectorRegistry()
    for collector in (_Agent(state), *more):
        made.register(collector)
    return made


class _Agent(Collector):
    def __init__(self, state: Callable[[], AgentState]) -> None:
        self._state = state

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering does not collect."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with its present value."""
        state = self._state()
        build: Values = {(__version__, platform.python_version()): 1}
        yield gauge("build_info", "The agent's version.", build, "version", "python")
        yield from _drill(state)
        if state.tally is not None:
            yield from _load(state.tally, state.checks)


def _drill(state: AgentState) -> Iterator[Metric]:
    drill = state.drill
    phases: Values = {} if drill is None else {(drill, phase): phase == state.phase for phase in get_args(Phase)}
    faults: Values = {labels: count > 0 for labels, count in state.faults.items()}
    yield gauge("drill_running", "Whether a drill is running.", {(): drill is not None})
    yield gauge("drill_phase", "Whether the drill is in a phase.", phases, "drill", "phase")
    yield gauge("fault_active", "Whether a fault is in force.", faults, "kind", "target")


def _load(tally: Tally, checks: tuple[str, ...]) -> Iterator[Metric]:
    outcomes: Values = {(name,): getattr(tally, name) for name in ("succeeded", "failed", "dropped", "lost")}
    yield counter("transactions", "Transactions that were due, by outcome.", outcomes, "outcome")
    reasons = _from_zero(get_args(Reason), tally.reasons)
    yield counter("transactions_failed", "Transactions that failed, by reason.", reasons, "reason")
    failed = _from_zero(checks, tally.failed_checks)
    yield counter("checks_failed", "Failed checks on answers.", failed, "check")
    yield gauge("transactions_in_flight", "Transactions that were sent and have no answer yet.", {(): tally.in_flight})
    yield from _rates(tally)
    yield from _histograms(tally)


def _rates(tally: Tally) -> Iterator[Metric]:
    last = tally.seconds[-1] if tally.seconds else None
    target, achieved = (0.0, 0) if last is None else (last.target_rate, last.due - last.dropped - last.lost)
    yield gauge("target_transactions_per_second", "Target rate of the load in its last second.", {(): target})
    yield gauge("achieved_transactions_per_second", "Rate sent in the load's last second.", {(): achieved})


def _histograms(tally: Tally) -> Iterator[Metric]:
    yield _histogram("transaction_latency_seconds", "From the due time to the end.", tally.latencies, _LATENCY_SECONDS)
    yield _histogram("transaction_duration_seconds", "From the send to the end.", tally.durations, _LATENCY_SECONDS)
    yield _histogram("send_lateness_seconds", "From the due time to the send.", tally.lateness, _LATENESS_SECONDS)


def _from_zero(names: Iterable[str], counts: Counter[str]) -> Values:
    """Begin each series at zero: `rate()` would miss the first count of a series that begins with it."""
    return {(name,): counts[name] for name in dict.fromkeys([*names, *counts])}


def gauge(name: str, text: str, values: Values, *labels: str) -> GaugeMetricFamily:
    """Make a gauge of this program."""
    family = GaugeMetricFamily(f"alertdrill_{name}", text, labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, float(value))
    return family


def counter(name: str, text: str, values: Values, *labels: str) -> CounterMetricFamily:
    """Make a counter of this program."""
    family = CounterMetricFamily(f"alertdrill_{name}", text, labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family


def _histogram(name: str, text: str, durations: Distribution, bounds: tuple[float, ...]) -> HistogramMetricFamily:
    counts = zip(map(floatToGoString, bounds), durations.counts_up_to(bounds), strict=True)
    buckets = [*counts, ("+Inf", durations.count)]
    return HistogramMetricFamily(f"alertdrill_{name}", text, buckets=buckets, sum_value=durations.sum_seconds)


@dataclass(frozen=True)
class AgentState:
    """What the metrics show: the load, the running drill, and its faults.

    `faults` counts those in force by kind and target. `checks` are the names of the load's checks, so that each is
    counted from zero.
    """

    tally: Tally | None = None
    checks: tuple[str, ...] = ()
    drill: str | None = None
    phase: Phase | None = None
    faults: Mapping[tuple[str, str], int] = field(default_factory=dict)
