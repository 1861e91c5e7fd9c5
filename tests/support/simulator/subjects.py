"""The subjects of drawn cases: one function for each kind of rule, which draws signals and a condition on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

from simulator.promql import Absent, Compare, Comparison, Condition, Quantile, Rate, Ratio, Selector
from simulator.service import Answer, Counters, Gauge, Latencies, Signal
from simulator.values import Millis, Stretches, labels_of

JOB = labels_of(job="api")
_BOUNDS_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


@dataclass(frozen=True)
class Times:
    """The frame of a case: its intervals, its length in evaluations, its fault."""

    scrape: Millis
    evaluation: Millis
    begins: Millis
    ends: Millis
    fault: Stretches
    scraped_since: Millis


@dataclass(frozen=True)
class Subject:
    """A service's signals, the result of a scrape during the fault, and the rule's condition."""

    condition: Condition
    signals: tuple[Signal, ...]
    outage: Answer = "answers"
    drops: bool = False


def _gauge(draw: st.DrawFn, times: Times) -> Subject:  # noqa: ARG001 (all kinds have the same parameters)
    before, during = draw(st.sampled_from(((10.0, 100.0), (100.0, 10.0), (10.0, 60.0), (10.0, None))))
    comparison = draw(st.sampled_from(tuple[Comparison, ...]((">", ">", ">=", "<", "<=", "==", "!="))))
    threshold = draw(st.sampled_from((50.0, 50.0, 10.0, 100.0, 5.0, 200.0, 60.0)))
    condition = Compare(Selector("queue_length", JOB), comparison, threshold)
    return Subject(condition, (Gauge("queue_length", before, during),))


def _up(draw: st.DrawFn, times: Times) -> Subject:  # noqa: ARG001
    outage = draw(st.sampled_from(tuple[Answer, ...](("refuses", "hangs"))))
    comparison, threshold = draw(st.sampled_from(tuple[tuple[Comparison, float], ...]((("==", 0.0), ("<", 1.0)))))
    return Subject(Compare(Selector("up", JOB), comparison, threshold), (Gauge("queue_length", 10, 10),), outage)


def _window(draw: st.DrawFn, times: Times) -> Millis:
    longest = (times.ends - times.begins) // 3 // times.scrape
    return times.scrape * draw(st.integers(2, max(2, min(longest, 20)))) + draw(st.sampled_from((0, 0, 0, 500)))


def _counters(draw: st.DrawFn) -> Counters:
    return Counters(
        per_second=draw(st.sampled_from((3.0, 20.0, 137.0))),
        share_before=draw(st.sampled_from((0.0, 0.0, 0.01))),
        share_during=draw(st.sampled_from((0.02, 0.1, 0.4, 1.0))),
        appears=draw(st.booleans()),
    )


def _ratio(draw: st.DrawFn, times: Times) -> Subject:
    window, counters = _window(draw, times), _counters(draw)
    ratio = Ratio(Rate(Selector("errors_total"), window), Rate(Selector("requests_total"), window), ("reason",))
    threshold = draw(st.sampled_from((0.005, 0.05, 0.05, 0.2, 0.5)))
    return Subject(Compare(ratio, draw(st.sampled_from(tuple[Comparison, ...]((">", ">=")))), threshold), (counters,))


def _rate(draw: st.DrawFn, times: Times) -> Subject:
    window, counters = _window(draw, times), _counters(draw)
    if draw(st.booleans()):
        threshold = draw(st.sampled_from((0.05, 0.5, 2.0, 10.0)))
        return Subject(Compare(Rate(Selector("errors_total", JOB), window), ">", threshold), (counters,))
    increase = Rate(Selector("errors_total", JOB), window, "increase")
    return Subject(Compare(increase, ">", draw(st.sampled_from((0.0, 1.0, 10.0, 100.0)))), (counters,))


def _quantile(draw: st.DrawFn, times: Times) -> Subject:
    latencies = Latencies(
        per_second=draw(st.sampled_from((5.0, 20.0, 100.0))),
        share_before=draw(st.sampled_from((0.0, 0.0, 0.01))),
        share_during=draw(st.sampled_from((0.02, 0.08, 0.3, 1.0))),
        fast=40,
        slow=draw(st.sampled_from((400, 800, 3000, 8000))),
        bounds_seconds=_BOUNDS_SECONDS,
    )
    rate = Rate(Selector("latency_seconds_bucket"), _window(draw, times))
    quantile = Quantile(draw(st.sampled_from((0.5, 0.9, 0.95, 0.99))), rate)
    return Subject(Compare(quantile, ">", draw(st.sampled_from((0.1, 0.3, 0.5, 1.0, 2.5)))), (latencies,))


def _absent(draw: st.DrawFn, times: Times) -> Subject:  # noqa: ARG001
    way = draw(st.sampled_from(("vanishes", "refuses", "hangs", "drops")))
    if way == "vanishes":
        return Subject(Absent(Selector("queue_length", JOB)), (Gauge("queue_length", 10, None),))
    gauge = Gauge("queue_length", 10, 10)
    if way == "drops":
        return Subject(Absent(Selector(draw(st.sampled_from(("up", "queue_length"))), JOB)), (gauge,), drops=True)
    return Subject(Absent(Selector("queue_length", JOB)), (gauge,), "refuses" if way == "refuses" else "hangs")


SUBJECTS: dict[str, Callable[[st.DrawFn, Times], Subject]] = {
    "gauge": _gauge,
    "up": _up,
    "ratio": _ratio,
    "rate": _rate,
    "quantile": _quantile,
    "absent": _absent,
}
