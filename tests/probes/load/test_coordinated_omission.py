"""A service that stops for a second shows in every transaction that was due in that second.

Gil Tene calls it coordinated omission when a load waits for the service, and does not count the transactions that it
would have sent in that time.

A load of rate r has N = r·T transactions in T seconds. The r transactions that are due in the second of the stall
wait: the n-th of them (from 0) for 1 - n/r seconds. An ordinary answer takes d. The nearest rank of the percentile p
is ceil(p/100·N), so j = N - rank transactions are slower. With j < r the percentile is 1 - j/r + d, else d.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time

import pytest

from alertdrill.probes.any_probe import open_client
from alertdrill.probes.client import Client, Ended, startable
from alertdrill.probes.figures.figures import measures
from alertdrill.probes.figures.measures import Trend
from alertdrill.probes.load.arrivals import ConstantArrivals
from alertdrill.probes.load.load import Load, LoadPlan
from alertdrill.probes.outcome import Counted, Outcome
from tests.probes.hostile_server import HostileServer, holds_behind
from tests.probes.meeting import eventually, on_loop, probe
from tests.probes.virtual_service import Service
from tests.support.virtual_time import in_virtual_time

PERCENTILES = [50, 90, 94.9, 95.1, 97, 99, 99.5, 99.9, 100]


def expected_seconds(percentile: float, rate: int, seconds: int, ordinary_seconds: float) -> float:
    total = rate * seconds
    slower = total - max(math.ceil(round(percentile * total / 100, 6)), 1)
    return (1 - slower / rate if slower < rate else 0.0) + ordinary_seconds


def latency(load: Load) -> Trend:
    trend = measures(load.tally, [Counted("all", ())], 1.0)["latency"]
    assert isinstance(trend, Trend)
    return trend


def stalling(at: float, ordinary_seconds: float) -> Service:
    """Answer after a delay; requests within the stall are answered with that delay after its end."""

    def delay_seconds(_: int) -> float:
        now = service.clock()
        return (at + 1 - now if at - 1e-6 <= now < at + 1 - 1e-6 else 0.0) + ordinary_seconds

    service = Service(delay_seconds)
    return service


@pytest.mark.parametrize(("rate", "seconds", "stall_at"), [(100, 20, 5.0), (500, 10, 3.0), (40, 60, 31.0)])
def test_the_percentiles_from_the_due_time_are_those_of_the_arithmetic(
    rate: int, seconds: int, stall_at: float
) -> None:
    """Within the histogram's three digits and the quarter of a millisecond between two callbacks."""
    service = stalling(stall_at, 0.002)
    load = Load(service, LoadPlan(ConstantArrivals(float(rate), float(seconds))), clock=service.clock)
    in_virtual_time(load.run)
    trend = latency(load)
    assert trend.count == rate * seconds
    for percentile in PERCENTILES:
        expected = expected_seconds(percentile, rate, seconds, 0.002)
        assert trend.percentile(percentile) == pytest.approx(expected, rel=0.001, abs=0.0003), percentile
    # r times the mean wait of (r + 1) / 2r seconds, over all.
    assert trend.avg == pytest.approx((rate + 1) / 2 / (rate * seconds) + 0.002, abs=0.0003)


def test_a_closed_loop_would_have_hidden_the_stall() -> None:
    """A client that waits for each answer has one slow transaction of 1,900."""
    service, took = stalling(5.0, 0.002), list[float]()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        while (started := loop.time()) < 20:
            answered = loop.create_future()
            service.start(answered.set_result)
            assert await answered == Outcome()
            took.append(loop.time() - started)
            await asyncio.sleep(max(started + 0.01 - loop.time(), 0))

    in_virtual_time(main)
    took.sort()
    assert len(took) == pytest.approx(1900, abs=2)
    assert took[-1] == pytest.approx(1.002, abs=0.001)
    assert took[-2] == pytest.approx(0.002, abs=0.001)
    assert took[math.ceil(0.999 * len(took)) - 1] == pytest.approx(0.002, abs=0.001)
    assert expected_seconds(99.9, 100, 20, 0.002) == pytest.approx(0.982)


class Witness:
    """Passes transactions on to a client, and notes the instants just before and just after each one ended."""

    def __init__(self, client: Client) -> None:
        self.ended: list[tuple[float, float]] = []
        self._client = client

    def start(self, ended: Ended) -> None:
        number = len(self.ended)
        self.ended.append((0.0, 0.0))

        def noting(outcome: Outcome) -> None:
            before = time.monotonic()
            ended(outcome)
            self.ended[number] = before, time.monotonic()

        self._client.start(noting)

    def take_acknowledged(self) -> list[str]:
        return self._client.take_acknowledged()


async def stalled_load() -> tuple[Load, Witness, list[float]]:
    """Send to a server that stalls for a second; return the load, its witness, and when the stall began and ended."""
    gate, stalled, loop = threading.Event(), list[float](), asyncio.get_running_loop()
    gate.set()

    def close() -> None:
        gate.clear()
        stalled.append(time.monotonic())
        loop.call_later(1.0, open_again)

    def open_again() -> None:
        stalled.append(time.monotonic())
        gate.set()

    with HostileServer(*[holds_behind(gate)] * 300) as server:
        async with open_client(probe(server.port, timeout="30s")) as opened, startable(opened) as client:
            witness = Witness(client)
            load = Load(witness, LoadPlan(ConstantArrivals(100.0, 3.0)))
            loop.call_later(1.0, close)
            await load.run()
            # If this process stood still, the load may end first.
            await eventually(lambda: len(stalled) == 2)
    return load, witness, stalled


def test_the_stall_of_a_real_server_shows_as_well() -> None:
    """Three seconds at a hundred a second; all instants are noted in this process, however busy the machine is."""

    async def main() -> None:
        for _ in range(3):
            load, witness, (began, ended) = await stalled_load()
            if not load.tally.dropped:  # this process itself stood still for a second
                break
        trend = latency(load)
        assert load.tally.succeeded == trend.count == 300
        due = [load.began + number / 100 for number in range(300)]
        least = sorted(before - at for at, (before, _) in zip(due, witness.ended, strict=True))
        most = sorted(after - at for at, (_, after) in zip(due, witness.ended, strict=True))
        for percentile in (60, 75, 85, 90, 95, 100):
            rank = math.ceil(percentile * 3) - 1
            # The histogram has three digits.
            assert least[rank] * 0.999 - 2e-6 <= trend.percentile(percentile) <= most[rank] * 1.001 + 2e-6, percentile
        # No transaction due in the stall was answered before its end.
        waited = sorted((ended - at for at in due if began <= at < ended), reverse=True)
        assert len(waited) == pytest.approx((min(ended, load.began + 3) - began) * 100, abs=1)
        slowest = sorted(least, reverse=True)
        assert all(took >= wait for took, wait in zip(slowest, waited, strict=False))

    on_loop("uvloop", main)
