"""The series of a payment engine with three instances over two hours; each value is a function of time.

During the fault half of the requests are slow and the cache misses more often; all else stays normal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

BEGINS, SECONDS = 1_790_000_000.0, 7200.0
ENDS = BEGINS + SECONDS
FAULT_BEGINS, FAULT_ENDS = BEGINS + 1800.0, BEGINS + 4200.0
INSTANCES = 3
_STARTED = BEGINS - 3600.0
_REQUESTS_A_SECOND = 200.0
_USUAL_SECONDS, _SLOW_SECONDS = 0.05, 3.0
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10, 30, math.inf)


@dataclass(frozen=True)
class ScrapeTarget:
    """One target; its first scrape is `phase_seconds` after the beginning."""

    job: str
    instance: str
    interval_seconds: float
    phase_seconds: float

    def newest(self, at: float) -> float:
        """Return the time of the newest scrape at an instant (both in Unix seconds)."""
        return round(at - (at - BEGINS - self.phase_seconds) % self.interval_seconds, 3)


@dataclass(frozen=True)
class Exposed:
    """One series of a target, with a function that returns its value at an instant."""

    target: ScrapeTarget
    labels: dict[str, str]
    read: Callable[[float], float]


def targets() -> list[ScrapeTarget]:
    """Return the engine's instances, scraped every 5 s, and their caches, scraped every 15 s."""
    return [
        ScrapeTarget(job, f"{job}-{number}:8080", interval, 0.3 + 1.1 * number + interval / 10)
        for job, interval in (("payment-engine", 5.0), ("payment-cache", 15.0))
        for number in range(INSTANCES)
    ]


def exposed() -> list[Exposed]:
    """Return every series."""
    return [
        Exposed(target, {"__name__": name, "job": target.job, "instance": target.instance} | more, read)
        for number, target in enumerate(targets())
        for name, more, read in (_engine(number) if target.job == "payment-engine" else _cache(number))
    ]


_Series = tuple[str, dict[str, str], Callable[[float], float]]


def _engine(number: int) -> Iterator[_Series]:
    yield "up", {}, lambda _: 1.0
    yield "payment_engine_transactions_processed_total", {}, _counter(1.0, 1.0)
    yield "payment_engine_errors_total", {}, _counter(0.002, 0.03)
    for bound in BOUNDS:
        usual = 1 - math.exp(-bound / _USUAL_SECONDS)
        slow = (usual + 1 - math.exp(-bound / _SLOW_SECONDS)) / 2
        spelled = "+Inf" if bound == math.inf else f"{bound:g}"
        yield "payment_engine_transactions_response_time_seconds_bucket", {"le": spelled}, _counter(usual, slow)
    yield "payment_engine_resources_database_connections", {}, _gauge(120 + number, 30, 60)
    yield "payment_engine_resources_memory_usage", {}, _gauge(55 + number, 8, 5)


def _cache(number: int) -> Iterator[_Series]:
    yield "up", {}, lambda _: 1.0
    yield "payment_engine_resources_cache_hit_rate", {}, _gauge(96 - number / 2, 1, -12)
    yield "payment_engine_transactions_queued", {}, _gauge(40 + number, 20, 300)


def _counter(share_usual: float, share_faulty: float) -> Callable[[float], float]:
    """Count one share of the requests, and another share during the fault."""

    def read(at: float) -> float:
        faulty = min(max(at - FAULT_BEGINS, 0.0), FAULT_ENDS - FAULT_BEGINS)
        usual = at - _STARTED - faulty
        return float(math.floor(_REQUESTS_A_SECOND * (share_usual * usual + share_faulty * faulty)))

    return read


def _gauge(usual: float, swing: float, more_when_faulty: float) -> Callable[[float], float]:
    """Vary around one value, and around another during the fault."""

    def read(at: float) -> float:
        middle = usual + (more_when_faulty if FAULT_BEGINS <= at < FAULT_ENDS else 0.0)
        return round(middle + swing * math.sin(at / 97), 3)

    return read
