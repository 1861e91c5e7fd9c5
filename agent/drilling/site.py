"""What outlives a drill: the clients of the monitoring servers, the agent's HTTP server, the load, and the lock.

`alertdrill drill` makes a site for each drill. A process that runs many drills keeps one site: drills run on it one
after another, under a load that keeps running, and each counts only what happens between its start and its end.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from aiohttp import web

from alertdrill.agent.config.agent import AgentConfig, require_credential
from alertdrill.agent.config.drill import Drill, DrillLoad, Surge
from alertdrill.agent.drilling.lock import FOLDER, canonical, locked
from alertdrill.agent.drilling.machine import MachineWatch, watching
from alertdrill.agent.drilling.progress import Progress
from alertdrill.agent.monitoring.alertmanager import Alertmanager, alertmanager_of
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.recording.records import NotificationRecord, RefusalRecord
from alertdrill.agent.serving.access import Access
from alertdrill.agent.serving.door import CallsPerSecond, Door, Refused
from alertdrill.agent.serving.metrics import AgentState, registry
from alertdrill.agent.serving.server import Listener, metrics_route, serving
from alertdrill.agent.serving.webhook import Inbox
from alertdrill.chaos.fault import Fault
from alertdrill.chaos.safety.lease import leased
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.probes.any_probe import AnyProbe, open_client
from alertdrill.probes.client import AwaitedClient, Client
from alertdrill.probes.load.arrivals import ConstantArrivals
from alertdrill.probes.load.load import Load, LoadPlan, running
from alertdrill.probes.load.tally import Tally
from alertdrill.units.text import one_line

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from alertdrill.probes.load.workers import Workers

# The metrics show the last second of the load; each drill keeps all of its own.
_KEPT_SECONDS = 60
MOST_NOTIFICATIONS = 20_000
"""The most notifications of one drill, each of one alert."""
# Of their labels, so that memory and the recording stay small.
_MOST_CHARACTERS = 16 * 1024 * 1024
_LONGEST_REASON = 200
_MOST_BYTES_OF_A_REASON = 4_096
_PASSWORDS_PER_SECOND, _MOST_PASSWORDS_AT_ONCE = 5.0, 20.0


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
    is the folder that all agents of a machine share. `machine` watches how busy this machine is during a drill.
    """

    clocks: Clocks = Clocks()
    connect: Callable[[AnyProbe], AbstractAsyncContextManager[Client | AwaitedClient]] = open_client
    watchdog: Callable[[Ledger, Callable[[str], None], Iterable[Fault]], AbstractAsyncContextManager[Any]] = leased
    locks: Path = FOLDER
    machine: Callable[[Callable[[], float], float], AbstractAsyncContextManager[MachineWatch]] = watching


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


class Lender(Protocol):
    """Whoever runs the load on which all drills count: it changes the load for a drill, and sends surges beside it."""

    def lent(self, settings: DrillLoad) -> AbstractAsyncContextManager[None]:
        """Change the load to the rate of a drill for the length of the block; raises ServiceUnavailable."""
        ...

    def surging(self, surge: Surge, probe: AnyProbe) -> AbstractAsyncContextManager[Workers]:
        """Send the transactions of a surge for the length of the block; raises FaultNotApplied."""
        ...


@dataclass(frozen=True)
class FaultNote:
    """A fault began, or ended if `ended_at` is set, in Unix seconds; `key` is its own. It may not be undone."""

    key: str
    drill: str
    kind: str
    target: str
    began_at: float
    ended_at: float | None = None
    is_undone: bool = True


class Site:
    """The servers of a configuration, as drills use them; as a context manager it keeps its connections.

    `acknowledged` is called each second with the ids of the transactions that succeeded. `heard` is called with the
    notifications of every call, and `note_fault` when a fault begins and ends; neither may raise or wait.
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
        self.alertmanager = alertmanager or alertmanager_of(config.alertmanager)
        self.clocks = dependencies.clocks
        self.connect = dependencies.connect
        self.watchdog = dependencies.watchdog
        self.machine = dependencies.machine
        self._locks = dependencies.locks
        self._acknowledged = acknowledged
        self.heard: Callable[[list[NotificationRecord]], None] = lambda _: None
        self.note_fault: Callable[[FaultNote], None] = lambda _: None
        self.inbox = Inbox(self._receive, dependencies.clocks.wall)
        self._load: Load | Workers | None = None
        self._lender: Lender | None = None
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
    async def locked(self, drill: Drill) -> AsyncIterator[frozenset[str]]:
        """Keep other agents of this machine from drilling the same targets for the length of the block.

        Gives what `broken_by` returns, for which names may have to be looked up.
        Raises ConfigError.
        """
        toxiproxy, broken = self.config.toxiproxy, await self.broken_by(drill)
        shared = set() if toxiproxy is None else {await canonical(toxiproxy.url)}
        with locked(self._locks, shared | broken, drill.name):
            yield broken

    async def broken_by(self, drill: Drill) -> frozenset[str]:
        """Return the servers that the faults of a drill break, in one spelling."""
        endpoints = self.config.endpoints
        servers = frozenset[str]().union(*(fault.servers(endpoints) for fault in drill.faults))
        return frozenset([await canonical(one) for one in servers])

    @asynccontextmanager
    async def serving(
        self,
        more: Callable[[Door], Iterable[web.RouteDef]] = lambda _: (),
        metrics: Iterable[Collector] = (),
        listener: Listener | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> AsyncIterator[None]:
        """Serve webhooks, metrics and `POST /-/stop` for the length of the block, unless the site does so already.

        `more` returns further routes, `metrics` are further metrics. With a `listener`, which listens already, it serves
        there. `tell` gets a line when web.yml was changed.
        Raises ServiceUnavailable when the address of `listen` is taken, and ConfigError when others can reach it and no
        credential is set.
        """
        if self._is_serving:
            yield
            return
        require_credential(self.config)
        door = self._door(tell)
        stop = web.post("/-/stop", door.guarding(self._stop, _MOST_BYTES_OF_A_REASON, need="stop"))
        scraped = metrics_route(registry(self._state, metrics), door.reading)
        routes = [self.inbox.route(door), stop, scraped, *more(door)]
        tls = door.access.file.tls_server_config
        async with serving(routes, self.config.listen, tls=tls) if listener is None else listener.answering(routes):
            self._is_serving = True
            try:
                yield
            finally:
                self._is_serving = False

    def _door(self, tell: Callable[[str], None]) -> Door:
        steady, config = self.clocks.steady, self.config
        passwords = CallsPerSecond(_PASSWORDS_PER_SECOND, _MOST_PASSWORDS_AT_ONCE, steady)
        access = Access(config.web.config_file, is_local=config.is_local, tell=tell, may_check=passwords.take)
        return Door(config.webhook_credentials, self._note_refusal, CallsPerSecond(clock=steady), access=access)

    @property
    def running(self) -> RunningDrill | None:
        """The drill that runs."""
        return self._running

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
        async with self._running_here(settings) as load, running(load):
            yield load

    def use(self, load: Workers | None, lender: Lender | None = None) -> None:
        """Let drills use a load that `lender` already runs, from now on; with None, each runs its own again."""
        self._load, self._lender = load, lender

    @asynccontextmanager
    async def prepared(self, settings: DrillLoad) -> AsyncIterator[None]:
        """Change a load that somebody else runs to the rate of a drill for the length of the block."""
        if self._lender is None:
            yield
            return
        async with self._lender.lent(settings):
            yield

    @asynccontextmanager
    async def surging(self, surge: Surge, probe: AnyProbe) -> AsyncIterator[Load | Workers]:
        """Send the transactions of a surge for the length of the block."""
        if self._lender is not None:
            async with self._lender.surging(surge, probe) as workers:
                yield workers
            return
        async with self.connect(probe) as client:
            load = self.make_load(client, surge.rate, surge.max_in_flight)
            async with running(load):
                yield load

    @asynccontextmanager
    async def sending(self, settings: DrillLoad, tally: Tally) -> AsyncIterator[Load | Workers]:
        """Count in a tally what the load does within the block; a site without a load runs one for the block."""
        if self._load is not None:
            async with self._load.counting(tally):
                yield self._load
            return
        # The load ends before the counting does, so that the last transactions are counted as well.
        async with self._running_here(settings) as load, load.counting(tally), running(load):
            yield load

    @asynccontextmanager
    async def _running_here(self, settings: DrillLoad) -> AsyncIterator[Load]:
        async with self.connect(self.config.probe) as client:
            self._load = load = self.make_load(client, settings.rate, settings.max_in_flight)
            load.tally.kept_seconds = _KEPT_SECONDS
            try:
                yield load
            finally:
                self._load = None

    def make_load(self, client: Client | AwaitedClient, rate: float, max_in_flight: int) -> Load:
        """Make a constant load, which does not run yet."""
        plan = LoadPlan(ConstantArrivals(rate), max_in_flight)
        return Load(client, plan, self._acknowledged, self.clocks.steady, self.clocks.wall)

    def _receive(self, notifications: list[NotificationRecord]) -> None:
        self.heard(notifications)
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
