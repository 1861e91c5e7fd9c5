"""What outlives a drill: the clients of the monitoring servers, the agent's HTTP server, the load, and the lock.

`alertdrill drill` makes a site for each drill. A process that runs many drills keeps one site: drills run on it one
after another, under a load that keeps running, and each counts only what happens between its start and its end.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from alertdrill.agent.config.agent import AgentConfig, require_credential
from alertdrill.agent.config.drill import Drill, DrillLoad
from alertdrill.agent.drilling.lock import FOLDER, canonical, locked
from alertdrill.agent.drilling.progress import Progress
from alertdrill.agent.monitoring.alertmanager import Alertmanager
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.recording.records import NotificationRecord, RefusalRecord
from alertdrill.agent.serving.door import CallsPerSecond, Door, Refused
from alertdrill.agent.serving.metrics import AgentState, registry
from alertdrill.agent.serving.server import metrics_route, serving
from alertdrill.agent.serving.webhook import Inbox
from alertdrill.chaos.safety.lease import leased
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.probes.any_probe import AnyProbe, open_client
from alertdrill.probes.client import AwaitedClient, Client
from alertdrill.probes.load.arrivals import ConstantArrivals
from alertdrill.probes.load.load import Load, Plan, running
from alertdrill.probes.load.tally import Tally
from alertdrill.units.text import one_line

# The metrics show the last second of the load; each drill keeps all of its own.
_KEPT_SECONDS = 60
MOST_NOTIFICATIONS = 20_000
"""The most notifications of one drill, each of one alert."""
# Of their labels, so that memory and the recording stay small.
_MOST_CHARACTERS = 16 * 1024 * 1024
_LONGEST_REASON = 200
_MOST_BYTES_OF_A_REASON = 4_096


@dataclass(frozen=True)
class Clocks:
    """The two clocks: `wall` in Unix seconds, for what is compared with Prometheus; `steady` for the load's rhythm.

    Other durations are measured by the event loop's own clock.
    """

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic

    def now(self) -> datetime:
        """Return the wall time, with its zone."""
        return datetime.fromtimestamp(self.wall(), UTC)


@dataclass(frozen=True)
class Dependencies:
    """How a site reads the time and starts its helpers; tests replace these.

    `connect` opens a probe's client, `watchdog` starts the process that undoes a drill's faults if this one dies. `locks`
    is the folder that all agents of a machine share.
    """

    clocks: Clocks = Clocks()
    connect: Callable[[AnyProbe], AbstractAsyncContextManager[Client | AwaitedClient]] = open_client
    watchdog: Callable[[Ledger, Callable[[str], None]], AbstractAsyncContextManager[Any]] = leased
    locks: Path = FOLDER


@dataclass
class RunningDrill:
    """A drill as its site knows it: its progress, what stops it (with a reason), and the notifications it received.

    `refusals` are the calls of the site's server that were refused, by reason.
    """

    progress: Progress
    stop: Callable[[str], None]
    notifications: list[NotificationRecord] = field(default_factory=list)
    refusals: dict[str, RefusalRecord] = field(default_factory=dict)
    _characters: int = 0

    def take(self, notifications: list[NotificationRecord]) -> None:
        """Keep the notifications of one call; if the drill has too many, end it and raise Refused."""
        characters = sum(len(text) for one in notifications for pair in one.labels.items() for text in pair)
        self._characters += characters
        if len(self.notifications) + len(notifications) > MOST_NOTIFICATIONS or self._characters > _MOST_CHARACTERS:
            self.stop(f"more than {MOST_NOTIFICATIONS} notifications, or too large ones, were received")
            raise Refused(413, "the drill has too many notifications", f"at most {MOST_NOTIFICATIONS}")
        self.notifications += notifications

    def note_refusal(self, reason: str, at: float) -> None:
        """Count a call that was refused; the first of each reason is told."""
        known = self.refusals.get(reason)
        if known is None:
            self.progress.tell(f"a call to this agent was refused: {reason}")
            known = RefusalRecord(reason=reason, count=0, first_at=at, last_at=at)
        self.refusals[reason] = known.model_copy(update={"count": known.count + 1, "last_at": at})


class Site:
    """The servers of a configuration, as drills use them; as a context manager it keeps its connections.

    `acknowledged` is called each second with the ids of the transactions that succeeded.
    """

    def __init__(
        self,
        config: AgentConfig,
        acknowledged: Callable[[list[str]], None] = lambda _: None,
        prometheus: Prometheus | None = None,
        alertmanager: Alertmanager | None = None,
        dependencies: Dependencies = Dependencies(),
    ) -> None:
        self.config = config
        self.prometheus = prometheus or Prometheus(config.prometheus)
        self.alertmanager = alertmanager or Alertmanager(config.alertmanager)
        self.clocks = dependencies.clocks
        self.connect = dependencies.connect
        self.watchdog = dependencies.watchdog
        self._locks = dependencies.locks
        self._acknowledged = acknowledged
        self.inbox = Inbox(self._receive, dependencies.clocks.wall)
        self._load: Load | None = None
        self._running: RunningDrill | None = None
        self._is_serving = False

    async def __aenter__(self) -> Self:
        await self.prometheus.__aenter__()
        await self.alertmanager.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.alertmanager.__aexit__(*error)
        await self.prometheus.__aexit__(*error)

    @asynccontextmanager
    async def locked(self, drill: Drill) -> AsyncIterator[None]:
        """Keep other agents of this machine from drilling the same targets for the length of the block.

        Raises ConfigError.
        """
        endpoints = self.config.endpoints
        broken = {endpoints.toxiproxy_url}.union(*(fault.servers(endpoints) for fault in drill.faults))
        with locked(self._locks, [await canonical(one) for one in broken], drill.name):
            yield

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve webhooks, metrics and `POST /-/stop` for the length of the block, unless the site does so already.

        Raises ServiceUnavailable when the address of `listen` is taken, and ConfigError when others can reach it and no
        credential is set.
        """
        if self._is_serving:
            yield
            return
        require_credential(self.config)
        door = Door(self.config.webhook_credentials, self._note_refusal, CallsPerSecond(clock=self.clocks.steady))
        stop = web.post("/-/stop", door.guarding(self._stop, _MOST_BYTES_OF_A_REASON))
        routes = [self.inbox.route(door), stop, metrics_route(registry(self._state))]
        async with serving(routes, self.config.listen):
            self._is_serving = True
            try:
                yield
            finally:
                self._is_serving = False

    @contextmanager
    def hosting(self, drill: RunningDrill) -> Iterator[None]:
        """For the length of the block, show a drill in the metrics, give it the notifications, and let it be stopped."""
        self._running = drill
        try:
            yield
        finally:
            self._running = None

    @asynccontextmanager
    async def loaded(self, settings: DrillLoad) -> AsyncIterator[Load]:
        """Keep a load running for the length of the block, for every drill within it."""
        async with self._prepared(settings) as load, running(load):
            yield load

    @asynccontextmanager
    async def sending(self, settings: DrillLoad, tally: Tally) -> AsyncIterator[Load]:
        """Count in a tally what the load does within the block; a site without a load runs one for the block."""
        if self._load is not None:
            async with self._load.counting(tally):
                yield self._load
            return
        # The load ends before the counting does, so that the last transactions are counted as well.
        async with self._prepared(settings) as load, load.counting(tally), running(load):
            yield load

    @asynccontextmanager
    async def _prepared(self, settings: DrillLoad) -> AsyncIterator[Load]:
        async with self.connect(self.config.probe) as client:
            self._load = load = self.make_load(client, settings.rate, settings.max_in_flight)
            load.tally.kept_seconds = _KEPT_SECONDS
            try:
                yield load
            finally:
                self._load = None

    def make_load(self, client: Client | AwaitedClient, rate: float, max_in_flight: int) -> Load:
        """Make a constant load, which does not run yet."""
        plan = Plan(ConstantArrivals(rate), max_in_flight)
        return Load(client, plan, self._acknowledged, self.clocks.steady, self.clocks.wall)

    def _receive(self, notifications: list[NotificationRecord]) -> None:
        if self._running is not None:
            self._running.take(notifications)

    def _note_refusal(self, reason: str) -> None:
        if self._running is not None:
            self._running.note_refusal(reason, self.clocks.wall())

    def stop_drill(self, reason: str) -> bool:
        """Stop the drill that runs, with a reason for its verdict; return whether one runs."""
        if self._running is not None:
            self._running.stop(reason)
        return self._running is not None

    async def _stop(self, request: web.Request, body: bytes) -> web.Response:
        text = one_line(body.decode(errors="replace"))[:_LONGEST_REASON]
        if not self.stop_drill(f"stopped by POST /-/stop from {request.remote}" + (f": {text}" if text else "")):
            raise Refused(409, "no drill is running")
        return web.Response(text="stopping: undoing what is broken\n")

    def _state(self) -> AgentState:
        tally = Tally() if self._load is None else self._load.tally
        checks = tuple(check for request in self.config.probe.counted for check in request.checks)
        if self._running is None:
            return AgentState(tally, checks)
        progress = self._running.progress
        return AgentState(tally, checks, progress.drill.name, progress.phase, progress.faults)
