"""Keeps the load running in worker processes, whatever happens to them.

The pacer shares its process with nothing else: neither a page nor a verdict nor the history can delay a transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from alertdrill.agent.config.daemon import SteadyLoad
from alertdrill.agent.config.drill import DrillLoad, Surge
from alertdrill.agent.daemon.configured import Configured
from alertdrill.agent.drilling.site import Site
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.log import LogLevel, LogLine
from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.probes.any_probe import AnyProbe
from alertdrill.probes.load.arrivals import ConstantArrivals
from alertdrill.probes.load.load import LoadPlan
from alertdrill.probes.load.tally import Tally
from alertdrill.probes.load.workers import Follower, Workers, WorkersDied

_KEPT_SECONDS = 60
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0
_SILENT_SECONDS = 5.0
# Each worker must have heard of the end before it comes, also on a busy machine.
_SEAM_SECONDS = 0.5
_CHANGED_WITHIN_SECONDS = 60.0
# A drill that begins so long before its load counts the first second of the load as well.
_BEFORE_SECONDS = 0.1


class LoadKeeper:
    """The load of one agent. It begins again when a worker has died, or when a drill or the configuration has another.

    `tally` goes on over all of them, and so does `follow`, which gets every second. `deaths` counts the workers that died;
    if one dies while a drill runs, the drill is stopped. Once `is_ending`, the load stays as it is.
    """

    def __init__(
        self, site: Site, configured: Configured, tell: Callable[[str], None], follow: Follower | None = None
    ) -> None:
        self.tally = Tally()
        self.tally.kept_seconds = _KEPT_SECONDS
        self.workers: Workers | None = None
        self._site = site
        self._configured = configured
        self._tell = tell
        self._followers = [] if follow is None else [follow]
        self.is_ending = False
        self.deaths = 0
        self._lent: DrillLoad | None = None
        # The number of the change that was asked for last, and of the last one that came into force.
        self._asked = self._in_force = 0
        self._begun = asyncio.Event()
        self._renew = asyncio.Event()
        self._is_changed = False

    @property
    def is_sending(self) -> bool:
        """Whether the load runs with all its workers."""
        return self.workers is not None and self.workers.is_sending

    @property
    def problem(self) -> str:
        """Why the load does not run as it should; empty when it does."""
        silent = max(() if self.workers is None else self.workers.silent_seconds, default=0.0)
        if silent > _SILENT_SECONDS:
            return f"a worker of the load has told nothing for {silent:.0f} s"
        return "" if self.is_sending else "the load has not begun"

    def change(self, configured: Configured) -> None:
        """Go on with the load of another configuration."""
        if not configured.has_the_load_of(self._configured):
            self._change()
        self._configured = configured

    def _change(self) -> None:
        if not self.is_ending:
            self._is_changed = True
            self._asked += 1
            self._renew.set()

    @property
    def _wanted(self) -> SteadyLoad:
        load = self._configured.load
        return load if self._lent is None else load.of_drill(self._lent)

    @asynccontextmanager
    async def lent(self, settings: DrillLoad) -> AsyncIterator[None]:
        """Run the load at the rate of a drill, from a whole second to a whole second; raises ServiceUnavailable."""
        usual, self._lent = self._wanted, settings
        lent = self._wanted
        try:
            if lent != usual:
                self._change()
                await self._until_in_force(self._asked, lent)
                self._tell(f"the load has {lent.rate:g} transactions a second for the drill, {usual.rate:g} otherwise")
            yield
        finally:
            self._lent = None
            if lent != usual:
                self._change()

    async def _until_in_force(self, asked: int, load: SteadyLoad) -> None:
        try:
            async with asyncio.timeout(_CHANGED_WITHIN_SECONDS):
                while self._in_force < asked or self.workers is None:
                    self._begun.clear()
                    await self._begun.wait()
        except TimeoutError as error:
            raise ServiceUnavailable(
                f"the load did not change to {load.rate:g} transactions a second within {_CHANGED_WITHIN_SECONDS:g} s"
            ) from error
        await asyncio.sleep(self.workers.began - time.monotonic() - _BEFORE_SECONDS)

    @asynccontextmanager
    async def surging(self, surge: Surge, probe: AnyProbe) -> AsyncIterator[Workers]:
        """Send the transactions of a surge in processes of their own, from a whole second to a whole second of the load.

        Raises FaultNotApplied when they do not begin. If a process dies later, the drill is stopped.
        """
        plan = LoadPlan(ConstantArrivals(surge.rate), surge.max_in_flight)
        count = self._configured.load.workers
        made = Workers(probe, plan, count, report=self._stop_drill, start_at=self._next_second)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(_until_over(made), name="surge")
            try:
                try:
                    await made.begun()
                except WorkersDied as error:
                    raise FaultNotApplied(f"the surge does not begin: {error}") from error
                await asyncio.sleep(made.began - time.monotonic())
                yield made
                await made.finish(_SEAM_SECONDS)
            finally:
                sending.cancel()

    async def _next_second(self) -> float:
        load = self.workers
        if load is None or not load.is_running:
            return time.monotonic() + _SEAM_SECONDS
        return load.began + load.second_after(_SEAM_SECONDS)

    def _stop_drill(self, text: str) -> None:
        self.deaths += 1
        self._tell(f"surge: {text}")
        self._site.stop_drill(f"surge: {text}")

    async def run(self) -> None:
        """Send until this is cancelled; each load begins at the instant at which the one before ends."""
        pause = _FIRST_PAUSE_SECONDS
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    began = time.monotonic()
                    self._renew.clear()
                    await self._send(tasks)
                    if time.monotonic() - began > _LONGEST_PAUSE_SECONDS:
                        pause = _FIRST_PAUSE_SECONDS
                    if not self._is_changed:
                        await asyncio.sleep(pause)
                        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                    self._is_changed = False
        finally:
            self._site.use(None)

    async def _send(self, tasks: asyncio.TaskGroup) -> None:
        """Run workers until one of them dies, or until there shall be others."""
        asked, made = self._asked, self._made(self._wanted)
        sending = tasks.create_task(self._until_died(made), name="workers")
        with contextlib.suppress(WorkersDied):
            await made.begun()
            self.workers = made
            self._site.use(made, self)
            self._in_force = asked
            self._begun.set()
            await self._renew.wait()
            return
        await sending

    def _made(self, load: SteadyLoad) -> Workers:
        """Make workers that go on when those before them end."""
        config = self._configured.config

        def report(text: str) -> None:
            self.deaths += 1
            self._tell(text)
            if self.workers is made:
                self._site.stop_drill(text)
                self._renew.set()

        async def start_at() -> float:
            # A reference to the workers before, kept here, would keep all those before them as well.
            before = self.workers
            if before is not None and before.is_running:
                return await before.end_at_a_second(_SEAM_SECONDS)
            return time.monotonic() + _SEAM_SECONDS

        plan = LoadPlan(ConstantArrivals(load.rate), load.max_in_flight)
        made = Workers(config.probe, plan, load.workers, report=report, start_at=start_at)
        made.tally = self.tally
        made.followers += self._followers
        return made

    async def _until_died(self, workers: Workers) -> None:
        try:
            await workers.run()
        except WorkersDied as error:
            self._tell(LogLine(f"{error}; the load begins again", LogLevel.WARNING))
            if self.workers is workers:
                self._renew.set()


async def _until_over(workers: Workers) -> None:
    with contextlib.suppress(WorkersDied):
        await workers.run()
