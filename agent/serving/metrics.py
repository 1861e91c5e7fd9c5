"""The agent's own metrics, read from the tally when Prometheus asks, so that no transaction pays for them.

Counts move when a second is added to the tally. Latencies come of HDR histograms, whose bins may reach a
thousandth beyond the bound of a bucket. Histograms have classic buckets alone: prometheus-client 0.26 writes native
ones only for those who ask for OpenMetrics 2, and Prometheus, which takes them by protobuf, does not.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from alertdrill import __version__
from alertdrill.agent.recording.records import Phase
from alertdrill.probes.load.tally import Distribution, Tally
from alertdrill.probes.outcome import Reason

if TYPE_CHECKING:
    from alertdrill.agent.recording.records import Phase
    from alertdrill.probes.load.tally import Tally


# 2 s and 5 s are what the payment engine promises for p95 and p99.
_LATENCY_SECONDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0),
)
# What is later than a second is not sent any more.
_LATENESS_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)

_Values = dict[tuple[str, ...], float]
"""The samples of one family, by the values of its labels."""


def registry(situation: Callable[[], AgentState]) -> CollectorRegistry:
    """Make the registry of a process; `situation` is asked at each scrape."""
    made = CollectorRegistry()
    made.register(_Agent(situation))
    return made


class _Agent(Collector):
    def __init__(self, situation: Callable[[], AgentState]) -> None:
        self._situation = situation

    def describe(self) -> Iterable[Metric]:
        """Say nothing beforehand, so that registering does not collect."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read everything as it is now."""
        situation = self._situation()
        build: _Values = {(__version__, platform.python_version()): 1}
        yield _gauge("build_info", "The agent's version.", build, ("version", "python"))
        yield from _drill(situation)
        if situation.tally is not None:
            yield from _load(situation.tally, situation.checks)


def _drill(situation: AgentState) -> Iterator[Metric]:
    drill = situation.drill
    phases: _Values = {} if drill is None else {(drill, phase): phase == situation.phase for phase in get_args(Phase)}
    faults: _Values = {labels: count > 0 for labels, count in situation.faults.items()}
    yield _gauge("drill_running", "Whether a drill is under way.", {(): drill is not None})
    yield _gauge("drill_phase", "Whether the drill is in a phase.", phases, ("drill", "phase"))
    yield _gauge("fault_active", "Whether a fault is in force.", faults, ("kind", "target"))


def _load(tally: Tally, checks: tuple[str, ...]) -> Iterator[Metric]:
    outcomes: _Values = {(name,): getattr(tally, name) for name in ("succeeded", "failed", "dropped", "lost")}
    yield _counter("transactions", "Transactions that were due, by what became of them.", outcomes, "outcome")
    reasons = _from_zero(get_args(Reason), tally.reasons)
    yield _counter("transactions_failed", "Transactions that failed, by reason.", reasons, "reason")
    failed = _from_zero(checks, tally.failed_checks)
    yield _counter("checks_failed", "Checks on answers that did not hold.", failed, "check")
    yield _gauge("transactions_in_flight", "Transactions that have been sent and not answered.", {(): tally.in_flight})
    yield from _rates(tally)
    yield from _histograms(tally)


def _rates(tally: Tally) -> Iterator[Metric]:
    last = tally.seconds[-1] if tally.seconds else None
    target, achieved = (0.0, 0) if last is None else (last.target_rate, last.due - last.dropped - last.lost)
    yield _gauge("target_transactions_per_second", "What the load asked for in its last second.", {(): target})
    yield _gauge("achieved_transactions_per_second", "What was sent in the load's last second.", {(): achieved})


def _histograms(tally: Tally) -> Iterator[Metric]:
    yield _histogram("transaction_latency_seconds", "From the due time to the end.", tally.latencies, _LATENCY_SECONDS)
    yield _histogram("transaction_duration_seconds", "From the send to the end.", tally.durations, _LATENCY_SECONDS)
    yield _histogram("send_lateness_seconds", "From the due time to the send.", tally.lateness, _LATENESS_SECONDS)


def _from_zero(names: Iterable[str], counts: Counter[str]) -> _Values:
    """Let a series be there before its first count, or `rate()` misses it."""
    return {(name,): counts[name] for name in dict.fromkeys([*names, *counts])}


def _gauge(name: str, text: str, values: _Values, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"alertdrill_{name}", text, labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, float(value))
    return family


def _counter(name: str, text: str, values: _Values, label: str) -> CounterMetricFamily:
    family = CounterMetricFamily(f"alertdrill_{name}", text, labels=(label,))
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family


def _histogram(name: str, text: str, durations: Distribution, bounds: tuple[float, ...]) -> HistogramMetricFamily:
    counts = zip(map(floatToGoString, bounds), durations.counts_up_to(bounds), strict=True)
    buckets = [*counts, ("+Inf", durations.count)]
    return HistogramMetricFamily(f"alertdrill_{name}", text, buckets=buckets, sum_value=durations.sum_seconds)


@dataclass(frozen=True)
class AgentState:
    """What there is to tell of: the load, the drill under way, and its faults.

    `faults` counts for each kind and target how many are in force. `checks` names those of the load, so that each
    is counted from zero on.
    """

    tally: Tally | None = None
    checks: tuple[str, ...] = ()
    drill: str | None = None
    phase: Phase | None = None
    faults: Mapping[tuple[str, str], int] = field(default_factory=dict)
