"""Runs a drill from its baseline to its recovery, with other alerts silenced if it asks for that.

It decides nothing about alerts. It looks at them only to know when to go on; the verdicts come later, from the
samples that Prometheus stored.
"""

from __future__ import annotations

import asyncio
import difflib
import math
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from alertdrill.agent.config.agent import require_servers
from alertdrill.agent.config.drill import Drill
from alertdrill.agent.drilling.assembly import DrillNotes, assembled, noted
from alertdrill.agent.drilling.faults import FaultRunner
from alertdrill.agent.drilling.guard import Guard
from alertdrill.agent.drilling.healing import heal_abandoned, require_no_other_toxics, require_nothing_in_force
from alertdrill.agent.drilling.observer import Observer
from alertdrill.agent.drilling.progress import Progress
from alertdrill.agent.drilling.site import RunningDrill, Site
from alertdrill.agent.errors import ConfigError, ServiceUnavailable, leaves
from alertdrill.agent.monitoring.alertmanager import Alertmanager
from alertdrill.agent.monitoring.held import SilenceMatcher
from alertdrill.agent.recording.load import load_record
from alertdrill.agent.recording.money import carried
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import Phase, PhaseRecord, StrainRecord
from alertdrill.agent.rules.routing import receivers, webhook_problem
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Fault
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.timeline import spread
from alertdrill.chaos.toxiproxy.client import Toxiproxy
from alertdrill.probes.figures.figures import measures
from alertdrill.probes.figures.measures import Measures
from alertdrill.probes.load.load import Load
from alertdrill.units.shielding import to_the_end
from alertdrill.units.text import one_line

if TYPE_CHECKING:
    from alertdrill.probes.load.workers import Workers

_LONGEST_POLL_SECONDS = 1.0
_LONGEST_FOR_A_SHORT_DRILL_SECONDS = 10.0
# Prometheus may be on a machine whose clock differs a little.
_CLOCKS_DIFFER_BY_SECONDS = 5.0


class Conductor:
    """Runs one drill on a site.

    A drill that ends early has a `recording`, too, unless its load had not begun.
    """

    def __init__(self, site: Site, drill: Drill, tell: Callable[[str], None]) -> None:
        config = site.config
        self._site = site
        self._drill = drill.scaled(config.time_scale)
        self._ledger = Ledger(config.ledger, drill.name)
        self._guard = Guard(config.guards, self._drill, site.clocks.now)
        self._observer = Observer(site.prometheus, site.alertmanager, self._drill, tell, site.clocks.wall)
        self.progress = Progress(self._drill, self._observer, tell=tell)
        self._fault_runner = FaultRunner(site, self.progress, self._observer, self._ledger)
        self._running = RunningDrill(self.progress, self._guard.stop)
        self._load_started = self._broken_since = 0.0
        self._load: Load | Workers | None = None
        self._notes: DrillNotes | None = None
        self._phases: list[PhaseRecord] = []
        self.recording: Recording | None = None

    async def plan(self) -> list[tuple[Fault, Injection]]:
        """List what the drill would do, in the order of its time line; breaks nothing, and raises what `check` does."""
        require_servers(self._site.config, self._drill)
        found = await self.check(await self._site.broken_by(self._drill))
        await self._observer.look()
        if reason := await self._unready():
            raise FaultNotApplied(f"nothing may be broken, because {reason}")
        planned = [(step, injection) for fault, injection in found for step in spread([fault])]
        return sorted(planned, key=lambda one: one[0].at)

    def _spoiled(self) -> str:
        return self._guard.spoiled(self._observer.seen)

    async def _unready(self) -> str:
        return self._guard.unready(self._observer.states, await self._observer.silences())

    async def check(self, broken: frozenset[str]) -> list[tuple[Fault, Injection]]:
        """Check, before anything is broken, that the drill can run; return its faults with the targets that were found.

        `broken` are the servers that they break. Raises ConfigError, ServiceUnavailable or FaultNotApplied.
        """
        await self._observer.begin()
        self._require_rules()
        self._require_webhooks()
        # First by the names in the file, so that a forbidden target is not even looked up.
        self._guard.require_not_forbidden()
        endpoints = self._site.config.endpoints
        found = [await fault.resolve(endpoints, self._ledger.new_id()) for fault in self._drill.faults]
        self._guard.require_allowed(injection.full_target for injection in found)
        await require_nothing_in_force(self._ledger, broken, self._site.config.heal_command)
        if any(hasattr(fault, "proxy") for fault in self._drill.faults):
            await require_no_other_toxics(Toxiproxy(endpoints.toxiproxy_url), self._ledger)
        return list(zip(self._drill.faults, found, strict=True))

    def _require_rules(self) -> None:
        known = sorted({rule.alert for rule in self._observer.rules})
        problems = []
        for alert in [*(expectation.alert for expectation in self._drill.expect), *self._drill.allow]:
            if alert not in known:
                near = difflib.get_close_matches(alert, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"Prometheus has: {', '.join(known) or 'none'}"
                problems.append(f"drill {self._drill.name}: no rule makes the alert {alert!r}, {hint}")
        if problems:
            raise ConfigError(*problems)

    def _require_webhooks(self) -> None:
        """Raise ConfigError if a receiver certainly does not call this agent: nobody would see that it was notified."""
        config, settings = self._observer.alertmanager_config, self._site.config
        wanted = {one.receiver for one in self._drill.expect if one.receiver is not None}
        found = [(name, webhook_problem(config, name, settings.webhook_base)) for name in sorted(wanted)]
        problems = [
            f"drill {self._drill.name}: {problem}"
            for name, problem in found
            if problem and not any(fnmatchcase(name, pattern) for pattern in settings.relayed_receivers)
        ]
        if problems:
            raise ConfigError(*problems)

    async def run(self) -> Recording:
        """Run the drill to its end; raises what `check` does, and FaultNotHealed.

        An error that cuts the drill short, or a cancellation, is raised after the recording is made of what there is.
        """
        require_servers(self._site.config, self._drill)
        async with self._site.locked(self._drill) as broken:
            await heal_abandoned(self._ledger, self.progress.tell, broken, self._site.config.heal_command)
            await self.check(broken)
            with self._site.hosting(self._running):
                async with self._site.serving():
                    try:
                        await self._conduct()
                    except (Exception, asyncio.CancelledError, BaseExceptionGroup) as error:
                        await self._record_short(error)
                        raise
                    return await self._record()

    async def _record(self) -> Recording:
        """Make the recording of a drill that came to its end, if only of what the drill itself noted."""
        assert self._notes is not None  # noqa: S101 - the drill has begun
        site, drill, observer = self._site, self._drill, self._observer
        try:
            self.recording = await assembled(site, drill, observer, self._notes)
        except (Exception, asyncio.CancelledError, BaseExceptionGroup) as error:
            observer.abort(f"{_spelled(error)} while the recording was made")
            self.recording = noted(site, drill, observer, self._notes)
            raise
        return self.recording

    async def _record_short(self, error: BaseException) -> None:
        """Make the recording of a drill that an error ended, in a limited time."""
        if self._notes is None:
            return
        phase = f"in the {self.progress.phase} phase" if self.progress.phase else "before its baseline"
        self._observer.abort(f"{_spelled(error)} {phase}", "timeout" if _is_timeout(error) else "")
        # What there is comes first: a second interruption must not lose it.
        self.recording = noted(self._site, self._drill, self._observer, self._notes)
        with suppress(Exception, asyncio.CancelledError, BaseExceptionGroup):
            async with asyncio.timeout(_LONGEST_FOR_A_SHORT_DRILL_SECONDS):
                self.recording = await assembled(self._site, self._drill, self._observer, self._notes)

    async def _conduct(self) -> None:
        """Send the load, go through the phases under it, and keep what was noted meanwhile."""
        clocks, longest = self._site.clocks, self._drill.longest.total_seconds()
        lent = self._site.prepared(self._drill.load)
        async with self._watchdog(), lent, self._site.machine(clocks.wall, longest) as machine:
            started_at, self._load_started = clocks.wall(), asyncio.get_running_loop().time()
            self._observer.began_at = started_at
            try:
                sending = self._site.sending(self._drill.load, self.progress.tally)
                async with sending as self._load, self._others_silenced():
                    await self._go_through_phases()
            finally:
                if self._load is not None:
                    self._notes = self._noted(started_at, self._load, machine.slices)

    def _noted(self, started_at: float, load: Load | Workers, slices: list[StrainRecord]) -> DrillNotes:
        clocks = self._site.clocks
        ended_at = max(clocks.wall(), started_at)
        # The wall clock may have been set while a long load ran, so count back from now.
        load_began_at = ended_at - max(clocks.steady() - load.began, 0.0)
        return DrillNotes(
            started_at,
            ended_at,
            self._phases,
            self._fault_runner.records,
            load_record(self.progress.tally, load_began_at, carried(self._site.config.probe)),
            [one for one in self._running.notifications if started_at <= one.received_at <= ended_at],
            list(self._running.refusals.values()),
            slices,
        )

    def _figures(self) -> Measures:
        seconds = asyncio.get_running_loop().time() - self._load_started
        return measures(self.progress.tally, self._site.config.probe.counted, seconds)

    async def _go_through_phases(self) -> None:
        async with self._phase("baseline", self._drill.baseline):
            await self._watch(self._drill.baseline, lambda: bool(self._spoiled()))
        if self._observer.is_away or self._observer.aborted:
            return
        if reason := self._spoiled() or await self._unready():
            self._observer.abort(f"nothing was broken, because {reason}", "unready")
            return
        async with self._phase("fault", self._drill.broken_for), asyncio.TaskGroup() as tasks:
            await self._break(tasks)
        # Also for an alert that is over already: its end must be in the record.
        if self._observer.active and not self._observer.is_away:
            async with self._phase("recovery", self._drill.observe_for):
                await self._watch(self._drill.observe_for, self._all_quiet)
                # One more evaluation, so that the record shows the alert's absence.
                await asyncio.sleep(2 * self._observer.interval_seconds)

    async def _break(self, tasks: asyncio.TaskGroup) -> None:
        """Break things until the expected alerts fired, and for as long as the durations of the faults say."""
        runner = self._fault_runner
        self._broken_since = self._site.clocks.wall()
        runner.begin(tasks)
        await self._watch(self._drill.observe_for, self._all_fired, abortable=True)
        if not self._all_fired():
            # When the faults are undone, Prometheus says no more why scrapes failed.
            await self._observer.note_scrape_errors()
        runner.end_until_fired()
        # A fault may take a while to be injected, and then still lasts its time.
        await self._watch(None, lambda: runner.is_over, abortable=True)
        runner.end()

    def _watchdog(self) -> AbstractAsyncContextManager[object]:
        faults = self._drill.faults
        return self._site.watchdog(self._ledger, self._lose, faults) if faults else nullcontext()

    def _lose(self, reason: str) -> None:
        # Once every fault is undone, the drill can go on without its watchdog.
        if self.progress.phase != "recovery":
            self._observer.abort(reason, "watchdog")

    def _others_silenced(self) -> AbstractAsyncContextManager[object]:
        if not self._drill.silence_others:
            return nullcontext()
        return others_silenced(self._site.alertmanager, self._drill, self.progress.tell, self._site.clocks.now)

    @asynccontextmanager
    async def _phase(self, phase: Phase, longest: timedelta) -> AsyncIterator[None]:
        clock, wall = asyncio.get_running_loop().time, self._site.clocks.wall
        started_at = wall()
        self.progress.phase = phase
        self.progress.phase_started = clock()
        self.progress.phase_ends_by = clock() + longest.total_seconds()
        self.progress.tell(f"{phase} begins, at most {longest.total_seconds():.1f} s")
        try:
            yield
        finally:
            self._phases.append(PhaseRecord(phase=phase, started_at=started_at, ended_at=max(wall(), started_at)))

    async def _watch(self, longest: timedelta | None, done: Callable[[], bool], *, abortable: bool = False) -> None:
        """Look at the alerts until `done`, until the longest time (None: any) is over, or until the drill must end."""
        clock, observer = asyncio.get_running_loop().time, self._observer
        until = clock() + (math.inf if longest is None else longest.total_seconds())
        while clock() < until and not done() and not observer.is_away and not observer.aborted:
            await asyncio.sleep(min(observer.interval_seconds / 2, _LONGEST_POLL_SECONDS, max(until - clock(), 0.001)))
            await observer.look()
            await self.progress.tally.whole()
            if reason := self._guard.problem(self._figures, clock() - self._load_started):
                observer.abort(reason)
            elif abortable:
                await observer.look_for_abort()

    def _all_fired(self) -> bool:
        """Return whether each expected alert fires and its receiver is notified; never for a drill that expects none."""
        return bool(self._drill.expect) and all(
            self._observer.states.get(expectation.alert) == "firing"
            and (expectation.receiver is None or self._is_notified(expectation.alert))
            for expectation in self._drill.expect
        )

    def _is_notified(self, alert: str) -> bool:
        """Return whether a receiver was notified to which Alertmanager's routes lead, or may lead.

        Alertmanager repeats what it could not deliver, so the end of an earlier firing may be received now.
        """
        config, since = self._observer.alertmanager_config, self._broken_since - _CLOCKS_DIFFER_BY_SECONDS
        return any(
            one.labels.get("alertname") == alert
            and one.status == "firing"
            and one.starts_at >= since
            and one.receiver in (receivers(config, one.labels) or {one.receiver})
            for one in self._running.notifications
        )

    def _all_quiet(self) -> bool:
        return not any(expectation.alert in self._observer.states for expectation in self._drill.expect)


def _is_timeout(error: BaseException) -> bool:
    """Return whether nothing went wrong but that a fault could not be injected in time."""
    return all(isinstance(one, FaultNotApplied) and _comes_from_timeout(one) for one in leaves(error))


def _comes_from_timeout(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, TimeoutError):
        error = error.__cause__
    return error is not None


def _spelled(error: BaseException) -> str:
    """Return what ended a drill early, as the begin of a sentence."""
    found = leaves(error)
    gravest = next((one for one in found if isinstance(one, FaultNotHealed)), found[0])
    text = one_line(gravest)
    if isinstance(gravest, FaultNotHealed):
        return f"a fault could not be undone ({text})"
    if isinstance(gravest, FaultNotApplied):
        return f"a fault could not be injected ({text})"
    if isinstance(gravest, asyncio.CancelledError):
        return "it was interrupted"
    return f"alertdrill failed ({type(gravest).__name__}: {text})"


AUTHOR = "alertdrill"
# Alerts that resolve with the fault send their last notifications after the drill's phases.
_MARGIN = timedelta(minutes=1)


@asynccontextmanager
async def others_silenced(
    alertmanager: Alertmanager, drill: Drill, tell: Callable[[str], None], now: Callable[[], datetime]
) -> AsyncIterator[None]:
    """Silence every alert but those that the drill expects, for the length of the block.

    Raises ServiceUnavailable when the silence cannot be set. When it cannot be ended, `tell` gets a line with the
    time at which it ends by itself.
    """
    expected = "|".join(re.escape(expectation.alert) for expectation in drill.expect)
    others = SilenceMatcher("alertname", expected, is_regex=True, is_equal=False)
    until = now() + drill.longest + _MARGIN
    silence_id = await alertmanager.add_silence([others], until, AUTHOR, f"drill {drill.name} is running")
    tell(f"alerts that are not under test are silenced until {until:%H:%M:%S} UTC at the latest")
    try:
        yield
    finally:
        await to_the_end(_end(alertmanager, silence_id, until, tell))


async def _end(alertmanager: Alertmanager, silence_id: str, until: datetime, tell: Callable[[str], None]) -> None:
    try:
        await alertmanager.end_silence(silence_id)
    except ServiceUnavailable as error:
        tell(f"the silence {silence_id} ends at {until:%H:%M:%S} UTC, because it could not be ended now: {error}")
