"""The scraped service: each series is a function of time that changes during the fault."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

_EVENTS_A_SECOND = 200.0
_BOUNDS = (0.1, 0.5, 1.0, 2.0, 5.0)
_FAST, _SLOW = 0.05, 3.0
_RUNNING_SECONDS = 3600.0
_LATE_SECONDS = 2.0


@dataclass
class Clock:
    """When the fault begins and ends (Unix seconds); infinity until known.

    What happens within the fault takes `slowness` times as long.
    """

    slowness: int = 1
    begins_at: float = float("inf")
    ends_at: float = float("inf")
    started_at: float = field(default_factory=lambda: time.time() - _RUNNING_SECONDS)

    def is_faulty(self, now: float) -> bool:
        """Return whether the fault is in force."""
        return self.begins_at <= now < self.ends_at

    def faulty_seconds(self, now: float) -> float:
        """Return how many seconds of the fault have passed."""
        return max(min(now, self.ends_at) - self.begins_at, 0.0) if now > self.begins_at else 0.0

    def since_fault(self, now: float) -> float:
        """Return the seconds since the beginning of the fault, as if nothing were slowed; negative before it."""
        return (now - self.begins_at) / self.slowness


Read = Callable[[Clock, float], float | None]
"""The value of a series at an instant, None where it is not exposed."""


def step(before: float | None, during: float | None) -> Read:
    """Have one value before and after the fault, and another during it."""
    return lambda clock, now: during if clock.is_faulty(now) else before


def lasting(before: float, after: float) -> Read:
    """Change when the fault begins, and keep the new value when it ends."""
    return lambda clock, now: after if clock.since_fault(now) >= 0 else before


def flapping(before: float, during: float, good_from: float, good_until: float) -> Read:
    """Change during the fault, except for a while within it."""

    def read(clock: Clock, now: float) -> float:
        is_good = good_from <= clock.since_fault(now) < good_until
        return during if clock.is_faulty(now) and not is_good else before

    return read


def short(before: float, during: float, seconds: float) -> Read:
    """Change only for some seconds from the beginning of the fault."""
    return lambda clock, now: during if 0 <= clock.since_fault(now) < seconds else before


def events(share_before: float, share_during: float, *, appears: bool = False) -> Read:
    """Count a share of the events; with `appears`, the series exists only from its first event on."""

    def read(clock: Clock, now: float) -> float | None:
        faulty, age = clock.faulty_seconds(now), now - clock.started_at
        count = float(int(_EVENTS_A_SECOND * (share_before * (age - faulty) + share_during * faulty)))
        return None if appears and count == 0 else count

    return read


def bucket(bound: float, share_slow: float) -> Read:
    """Count the observations up to a bound; during the fault a share of them is slow."""
    fast, slow = events(1.0, 1.0 - share_slow), events(0.0, share_slow)

    def read(clock: Clock, now: float) -> float:
        return (fast(clock, now) or 0.0) * (bound >= _FAST) + (slow(clock, now) or 0.0) * (bound >= _SLOW)

    return read


def histogram(name: str, share_slow: float) -> dict[str, Read]:
    """Return the buckets of a latency histogram."""
    shown = {f'{name}_bucket{{le="{bound}"}}': bucket(bound, share_slow) for bound in _BOUNDS}
    return shown | {f'{name}_bucket{{le="+Inf"}}': bucket(float("inf"), share_slow)}


class StepExporter:
    """Serves series at /metrics, and targets that fail during the fault at /refusing and /hanging."""

    def __init__(self, series: dict[str, Read], clock: Clock, hang_seconds: float) -> None:
        self._series = series
        self._clock = clock
        self._hang_seconds = hang_seconds
        self._sent_period = 0

    def _text(self) -> str:
        now = time.time()
        shown = {name: read(self._clock, now) for name, read in self._series.items()}
        return "".join(f"{name} {value}\n" for name, value in shown.items() if value is not None)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(text=self._text())

    async def _late(self, _: web.Request) -> web.Response:
        """Every two seconds, expose the samples of the last two seconds with their timestamps, and a good value now.

        So an evaluation during the fault never sees a bad value, but a later query of the same time does.
        """
        period = int(time.time() / _LATE_SECONDS)
        known, self._sent_period = self._sent_period, period
        if period == known:
            return web.Response()
        now = period * _LATE_SECONDS
        before = [now - _LATE_SECONDS + number * _LATE_SECONDS / 10 for number in range(1, 10)]
        lines = [(at, 100 if self._clock.is_faulty(at) else 10) for at in before] + [(now, 10)]
        return web.Response(text="".join(f"late_depth {value} {round(at * 1000)}\n" for at, value in lines))

    async def _refusing(self, _: web.Request) -> web.Response:
        return web.Response(status=500 if self._clock.is_faulty(time.time()) else 200, text="sheltered 10\n")

    async def _hanging(self, _: web.Request) -> web.Response:
        if self._clock.is_faulty(time.time()):
            await asyncio.sleep(self._hang_seconds)
        return web.Response()

    async def _outside(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _broken(self, _: web.Request) -> web.Response:
        return web.Response(status=500, text="this receiver is broken")

    @asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[None]:
        """Serve on a loopback port during the block."""
        application = web.Application()
        for path, handler in (
            ("/metrics", self._metrics),
            ("/refusing", self._refusing),
            ("/hanging", self._hanging),
            ("/late", self._late),
        ):
            application.router.add_get(path, handler)
        application.router.add_post("/broken", self._broken)
        application.router.add_post("/outside", self._outside)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield
        finally:
            await runner.cleanup()
