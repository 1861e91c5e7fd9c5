"""`alertdrill run`: one group of named tasks, which begins and ends in a fixed order.

`starting` has come before: the lock, the ledger, and the server that listens. Then come the load and the schedule. It
ends the other way round: a drill is stopped first, and what it broke is undone.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from alertdrill.agent.config import runbooks
from alertdrill.agent.config.yaml_source import Source
from alertdrill.agent.daemon.configured import Configured, read_configured
from alertdrill.agent.daemon.keeping import LoadKeeper
from alertdrill.agent.daemon.metrics import AgentMetrics, Health, LoopLag
from alertdrill.agent.daemon.scheduling import Scheduler
from alertdrill.agent.daemon.starting import Started
from alertdrill.agent.daemon.telling import Found, Telling, load_problem
from alertdrill.agent.drilling.healing import heal
from alertdrill.agent.drilling.site import Site
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import identity
from alertdrill.agent.history.apart import reading_apart
from alertdrill.agent.history.load import LoadPeriods
from alertdrill.agent.history.writer import HistoryWriter
from alertdrill.agent.log import LogLevel, LogLine, leveled
from alertdrill.agent.schedule.journal import Journal
from alertdrill.agent.schedule.occurrences import Pause
from alertdrill.agent.serving.door import Door, Refused
from alertdrill.agent.serving.server import Listener
from alertdrill.chaos.errors import LedgerRefused
from alertdrill.chaos.safety.healing import abandoned
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.safety.owner import Owner
from alertdrill.units.extras import LibraryMissing
from alertdrill.units.text import one_line

_HURRY_AFTER_SECONDS = 0.75
_LOOK_EVERY_SECONDS = 5.0
_MOST_BYTES = 4_096
_MOST_PROBLEMS = 20


async def run(
    started: Started, configured: Configured, tell: Callable[[str], None], listener: Listener, more: type[More]
) -> None:
    """Run an agent that listens already until this is cancelled; `more` is what it serves beside its own routes.

    Raises ConfigError.
    """
    async with Site(configured.config) as site:
        journal = _opened_journal(configured, site.clocks.now())
        await Agent(started, configured, site, journal, tell, more).run(listener)


def _opened_journal(configured: Configured, now: datetime) -> Journal:
    folder = configured.config.recordings
    try:
        journal = Journal(folder)
        journal.interrupt_running(now, "the agent ended while it ran or waited")
    except OSError as error:
        raise ConfigError(f"recordings cannot be written to {folder}: {error.strerror or error}") from error
    return journal


@dataclass(frozen=True)
class Parts:
    """What an agent works with now."""

    configured: Configured
    site: Site
    journal: Journal
    history: HistoryWriter
    load: LoadKeeper
    schedule: Scheduler
    tell: Callable[[str], None]


class More:
    """What an agent serves beside its own routes, and what runs with it; this one is nothing."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent

    def routes(self, door: Door) -> Iterable[web.RouteDef]:
        """Return the routes, behind the door of the server."""
        del door
        return ()

    async def run(self) -> None:
        """Run until this is cancelled."""


class Agent:
    """A running agent: its tasks, what it serves, and the reload of its configuration."""

    def __init__(  # noqa: PLR0913, PLR0917 - all that an agent works with
        self,
        started: Started,
        configured: Configured,
        site: Site,
        journal: Journal,
        tell: Callable[[str], None],
        more: type[More] = More,
    ) -> None:
        config, pages = configured.config, started.path.parent / runbooks.FOLDER
        self._started = started
        self._path = path = started.path
        self._healing = asyncio.Lock()
        self._journal = journal
        self._configured = configured
        self._site = site
        self._tell = tell
        said = leveled(tell, LogLevel.WARNING, component="history")
        self._history = HistoryWriter(config.history, config.recordings, config.time_scale, said, reading=reading_apart)
        self._periods = LoadPeriods(self._history.put_load)
        self._load = LoadKeeper(site, configured, leveled(tell, component="load"), self._periods.folding)
        told = leveled(tell, component="schedule")
        self._schedule = Scheduler(site, configured, journal, self._history, told, self._may_drill, pages)
        self._telling = Telling(site, self._found, tell)
        self._lag = LoopLag()
        self._owner = Owner.this_process()
        self._next: Configured | None = None
        self._read = identity(path)
        self._is_reloaded = True
        self._reloaded_at = site.clocks.wall()
        self._more = more(self)

    def _may_drill(self) -> bool:
        # Which drill is the stalest is known only when the history was read.
        return self._load.is_sending and self._history.is_known

    async def run(self, listener: Listener) -> None:
        """Serve, send and drill until this is cancelled."""
        metrics = [AgentMetrics(self._health), self._telling.metrics]
        serving = self._site.serving(self._routes, metrics, listener, self._tell)
        async with serving, asyncio.TaskGroup() as tasks:
            history = tasks.create_task(self._history.run(), name="history")
            load = tasks.create_task(self._load.run(), name="load")
            schedule = tasks.create_task(self._schedule.run(), name="schedule")
            others = [
                tasks.create_task(self._lag.run(), name="loop lag"),
                tasks.create_task(self._watch(), name="reload"),
                tasks.create_task(self._more.run(), name="more"),
                tasks.create_task(self._telling.run(), name="telling"),
            ]
            try:
                await asyncio.Event().wait()
            finally:
                await self._end(schedule)
                for task in (*others, load):
                    task.cancel()
                await asyncio.wait([load])
                self._periods.close()
                history.cancel()
                left = self._unhealed()
                warning = f"ending with {left} fault(s) that are not healed; run `{self._heal_command}`"
                self._tell(LogLine(warning, LogLevel.ERROR) if left else "ending; nothing is broken")

    async def _end(self, schedule: asyncio.Task[None]) -> None:
        """End the drill that runs, before the load on which it counts."""
        self._load.is_ending = True
        schedule.cancel()
        while (await asyncio.wait([schedule], timeout=_HURRY_AFTER_SECONDS))[1]:
            # Its faults are undone by now, or will be; only Prometheus is still asked, or a process is awaited.
            self._schedule.hurry()

    def _routes(self, door: Door) -> Iterable[web.RouteDef]:
        return [
            web.get("/-/healthy", self._healthy),
            web.get("/-/ready", self._ready),
            web.post("/-/reload", door.guarding(self._reload_by_call, _MOST_BYTES, need="stop")),
            *self._more.routes(door),
        ]

    async def _healthy(self, _: web.Request) -> web.Response:
        problem = self._load.problem if self._load.is_sending else ""
        return _answer(problem, "alertdrill is healthy.")

    async def _ready(self, _: web.Request) -> web.Response:
        return _answer(self.problem, "alertdrill is ready.")

    @property
    def problem(self) -> str:
        """Why it is not ready; empty if it is."""
        left = self._unhealed()
        return self._load.problem or (f"{left} fault(s) are not healed; run `{self._heal_command}`" if left else "")

    @property
    def parts(self) -> Parts:
        """What it works with, for those who show or steer it."""
        return Parts(self._configured, self._site, self._journal, self._history, self._load, self._schedule, self._tell)

    @property
    def health(self) -> Health:
        """What the metrics show of it."""
        return self._health()

    @property
    def is_reload_waiting(self) -> bool:
        """Whether another configuration comes into force when no drill runs."""
        return self._next is not None

    @property
    def _heal_command(self) -> str:
        return self._site.config.heal_command

    def _unhealed(self) -> int:
        """Count the faults that no drill will undo; a ledger that cannot be read counts as one."""
        try:
            contents = Ledger(self._site.config.ledger).read()
        except LedgerRefused:
            return 1
        left = set(abandoned(contents))
        if not self._schedule.is_running:
            left |= {entry_id for entry_id, entry in contents.entries.items() if entry.owner == self._owner}
        return len(left) + len(contents.unreadable) + len(contents.refused)

    def _found(self) -> Found:
        load = self._load.problem or load_problem(self._load.tally.seconds)
        standing = self._history.standing if self._history.is_known else None
        return Found(standing, self._unhealed(), self._schedule.problem, load, self._is_reloaded)

    def _paused_until(self) -> float:
        pause = self._journal.pause
        return 0.0 if pause is None or pause.until <= self._site.clocks.now() else pause.until.timestamp()

    def _health(self) -> Health:
        workers = self._load.workers
        return Health(
            config_sha256=self._configured.sha256,
            is_reloaded=self._is_reloaded,
            reloaded_at=self._reloaded_at,
            workers={} if workers is None else workers.up,
            worker_deaths=self._load.deaths,
            next_runs=self._schedule.next_runs(),
            history_writes=self._history.counts,
            history_queue=self._history.queued,
            unhealed=self._unhealed(),
            paused_until=self._paused_until(),
            loop_lag_seconds=self._lag.seconds,
            standing=self._history.standing,
            freshness=self._configured.config.freshness,
        )

    def pause(self, pause: Pause | None) -> None:
        """Pause the schedule and stop a drill that runs, or end the pause; raises OSError."""
        self._journal.set_pause(pause, self._site.clocks.now())
        self._tell("the pause is ended" if pause is None else pause.why)
        if pause is not None and self._schedule.is_running:
            self._site.stop_drill(pause.why)

    async def heal(self) -> list[str]:
        """Undo the faults that no drill will undo, and return what was done.

        Raises FaultNotHealed and LedgerRefused, after all the others were undone.
        """
        lines: list[str] = []
        own = None if self._schedule.is_running else self._owner
        async with self._healing:
            await heal(Ledger(self._site.config.ledger, "agent"), lines.append, command=self._heal_command, own=own)
        return lines

    async def _reload_by_call(self, _: web.Request, __: bytes) -> web.Response:
        if not self._site.config.web.enable_lifecycle:
            raise Refused(403, "it is not allowed", "set web: {enable_lifecycle: true} in agent.yml")
        problems = self.reload()
        if problems:
            return web.Response(status=400, text="\n".join(problems) + "\n")
        return web.Response(text="reloaded\n" if self._next is None else "reloaded, in force after the running drill\n")

    def reload(self) -> list[str]:
        """Read the configuration again; return its problems, with which the one in force stays.

        It comes into force when no drill runs.
        """
        self._read = identity(self._path)
        try:
            found = self._read_again()
        except (ConfigError, LibraryMissing) as error:
            self._is_reloaded = False
            problems = str(error).splitlines()[:_MOST_PROBLEMS]
            text = f"the configuration is not reloaded, and the one before stays in force: {one_line(problems[0])}"
            self._tell(LogLine(text, LogLevel.ERROR, component="reload"))
            return problems
        self._is_reloaded, self._next = True, found
        self._apply()
        return []

    def _read_again(self) -> Configured:
        found = read_configured(self._path, self._started.web_file)
        if changed := self._configured.fixed_changes(found):
            source, text = Source(self._path), "a reload cannot change it: start the agent again"
            raise ConfigError(*(source.problem((name,), text) for name in changed))
        return found

    def _apply(self) -> None:
        if self._next is None or self._schedule.is_running:
            return
        self._configured, self._next = self._next, None
        self._site.config = self._configured.config
        self._schedule.change(self._configured)
        self._load.change(self._configured)
        self._reloaded_at = self._site.clocks.wall()
        self._tell(f"configuration {self._configured.sha256[:12]} is in force")

    async def _watch(self) -> None:
        """Reload at SIGHUP, and when agent.yml was changed or replaced, as Kubernetes does with a ConfigMap.

        Its identity is looked at: a replaced link sends no event.
        """
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        looked_at = time.monotonic()
        try:
            while True:
                await asyncio.sleep(1.0)
                self._apply()
                if time.monotonic() - looked_at < _LOOK_EVERY_SECONDS:
                    continue
                looked_at, now = time.monotonic(), identity(self._path)
                if now is not None and now != self._read:
                    self.reload()
        finally:
            loop.remove_signal_handler(signal.SIGHUP)


def _answer(problem: str, well: str) -> web.Response:
    return web.Response(status=503, text=f"{problem}\n") if problem else web.Response(text=f"{well}\n")
