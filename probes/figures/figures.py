"""The named figures of a load, read from its tally."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hdrh.histogram import HdrHistogram

from alertdrill.probes.figures.measures import Counter, Gauge, Measure, Rate, Trend, tagged
from alertdrill.probes.load.tally import Distribution, OpeningTally, Tally, together
from alertdrill.probes.outcome import Counted


def measures(tally: Tally, requests: Iterable[Counted], seconds: float) -> Mapping[str, Measure]:
    """Return the figures of `seconds` of load by name; `requests` are all the requests that the load makes.

    When the tally has no requests by name, each transaction was one request.
    """
    requests = tuple(requests)
    figures: dict[str, Measure] = {
        "iterations": Counter(tally.ended, seconds),
        "iteration_duration": _trend(tally.durations),
        "dropped_iterations": Counter(tally.dropped + tally.lost, seconds),
        "latency": _trend(tally.latencies),
        "lateness": _trend(tally.lateness),
        "in_flight": Gauge(tally.in_flight, 0, tally.most_in_flight),
    }
    by_name = _by_name(tally, requests)
    for name, (durations, failed) in by_name.items():
        figures[tagged("http_req_duration", "name", name)] = _trend(durations)
        figures[tagged("http_req_failed", "name", name)] = Rate(failed, durations.count)
        figures[tagged("http_reqs", "name", name)] = Counter(durations.count, seconds)
    every = together([durations for durations, _ in by_name.values()])
    figures["http_req_duration"] = _trend(every)
    figures["http_req_failed"] = Rate(sum(failed for _, failed in by_name.values()), every.count)
    figures["http_reqs"] = Counter(every.count, seconds)
    redirects = {name: counts.redirects for name, counts in tally.requests.items()} or {
        requests[0].name: tally.redirects
    }
    answers = {name: durations.count - redirects[name] for name, (durations, _) in by_name.items()}
    return figures | _openings(tally.openings, every.count) | _checks(tally, requests, answers)


def _openings(openings: OpeningTally, requests: int) -> dict[str, Measure]:
    """Return the figures of what came before requests were sent; as in k6 it took 0 s where there was no wait."""
    if not openings.waited.count:
        return {}
    parts = {
        "http_req_blocked": openings.waited,
        "http_req_connecting": openings.connecting,
        "http_req_tls_handshaking": openings.tls,
    }
    return {name: _with_zeros(part, requests) for name, part in parts.items() if part.count}


def _with_zeros(distribution: Distribution, count: int) -> Trend:
    at_once = Distribution()
    if count > distribution.count:
        at_once.histogram.record_value(0, count - distribution.count)
    return _trend(together([distribution, at_once]))


def _by_name(tally: Tally, requests: tuple[Counted, ...]) -> dict[str, tuple[Distribution, int]]:
    if tally.requests:
        return {name: (counts.durations, counts.failed) for name, counts in tally.requests.items()}
    return {requests[0].name: (tally.request_durations, tally.refused_requests)}


def _trend(distribution: Distribution) -> Trend:
    histogram: HdrHistogram = distribution.histogram
    return Trend(histogram, distribution.sum_seconds)


def _checks(tally: Tally, requests: tuple[Counted, ...], counts: Mapping[str, int]) -> dict[str, Measure]:
    made: dict[str, int] = {}
    for request in requests:
        for check in request.checks:
            made[check] = made.get(check, 0) + counts.get(request.name, 0)
    figures: dict[str, Measure] = {
        tagged("checks", "check", check): Rate(total - tally.failed_checks[check], total)
        for check, total in made.items()
    }
    if made:
        total = sum(made.values())
        figures["checks"] = Rate(total - sum(tally.failed_checks.values()), total)
    return figures
