"""Injects the faults and surges of a drill, undoes them, and records when each was in force."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from alertdrill.agent.config.agent import relocate
from alertdrill.agent.config.drill import SURGE, Surge
from alertdrill.agent.drilling.observer import Observer
from alertdrill.agent.drilling.progress import Progress
from alertdrill.agent.drilling.site import Clocks, Site
from alertdrill.agent.recording.load import load_record
from alertdrill.agent.recording.money import carried
from alertdrill.agent.recording.records import FaultRecord
from alertdrill.chaos.errors import FaultNotHealed, FaultTakenBack
from alertdrill.chaos.fault import Fault
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.timeline import spread
from alertdrill.probes.any_probe import AnyProbe
from alertdrill.probes.load.load import running
from alertdrill.units.text import one_line

_UNREADABLE = "cannot be read back"
_LONGEST_LOOK_SECONDS = 5.0


class FaultRunner:
    """Injects the faults of a drill, each at its instant; `records` are those that are over.

    When another process undoes a fault, the observer aborts the drill.
    """

    def __init__(self, site: Site, progress: Progress, observer: Observer, ledger: Ledger) -> None:
        self.records: list[FaultRecord] = []
        self._site = site
        self._faults = progress.drill.faults
        self._surges = progress.drill.load.surges
        self._progress = progress
        self._observer = observer
        self._ledger = ledger
        self._ending = asyncio.Event()
        self._unreadable: set[tuple[str, str]] = set()
        progress.faults = {(fault.kind, fault.target): 0 for fault in self._faults}
        progress.faults |= {(SURGE, surge.target): 0 for surge in self._surges}

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Start a task for each fault and each surge, which waits for its instant."""
        for fault in spread(self._faults):
            tasks.create_task(self._keep(fault))
        for surge in self._surges:
            tasks.create_task(self._surge(surge))

    def end(self) -> None:
        """Undo now all that is in force; the tasks end when it is undone."""
        self._ending.set()

    async def _keep(self, fault: Fault) -> None:
        """Inject one fault at its instant, and undo it at its end or when all faults end."""
        if await _set_within(self._ending, fault.at.total_seconds()):
            return
        kind, site, begun = fault.kind, self._site, _Beginning(self._site.clocks)
        longest = (fault.at_most if fault.lasts == "until-fired" else fault.lasts).total_seconds()
        is_injected, outcome, problem, why = False, "", "", ""
        lost_at: float | None = None
        try:
            endpoints, forbids = site.config.endpoints, site.config.guards.target_problem
            async with applied(fault, endpoints, self._ledger, begun.note, forbids) as injection:
                is_injected = True
                self._progress.faults[kind, fault.target] += 1
                self._progress.tell(f"fault injected: {kind} on {fault.target}")
                # Like the watchdog, count `at_most` from the entry in the ledger: the injection may have taken long.
                left = fault.at_most.total_seconds() - begun.seconds_ago
                lost_at, why = await self._watched(fault, injection, max(min(longest, left), 0))
            outcome = injection.outcome
        except FaultTakenBack as error:
            if not self._observer.aborted:
                self._observer.abort(str(error))
        except FaultNotHealed as error:
            problem = one_line(error)
            raise
        finally:
            # Also if the drill is interrupted: the recording then has the fault as well.
            if is_injected:
                if lost_at is not None:
                    outcome = self._tell_lost(fault, why, lost_at, begun)
                self._note_end(fault, begun.at, lost_at, outcome, problem)

    def _note_end(self, fault: Fault, injected_at: float, lost_at: float | None, outcome: str, problem: str) -> None:
        """Record a fault; after `lost_at` it was not in force any more, and the reports must not show it so."""
        self._progress.faults[fault.kind, fault.target] -= 1
        what = f"{fault.kind} on {fault.target}"
        said = f"fault NOT healed: {what}: {problem}" if problem else f"fault healed: {what}"
        self._progress.tell(f"{said}, {outcome}" if outcome else said)
        noted = [f"not undone: {problem}" if problem else outcome]
        if (fault.kind, fault.target) in self._unreadable:
            noted.append(_UNREADABLE)
        self.records.append(
            FaultRecord(
                kind=fault.kind,
                target=fault.target,
                settings=fault.model_dump(mode="json"),
                injected_at=injected_at,
                healed_at=max(self._site.clocks.wall() if lost_at is None else lost_at, injected_at),
                outcome="; ".join(filter(None, noted)),
            )
        )

    async def _watched(self, fault: Fault, injection: Injection, seconds: float) -> tuple[float | None, str]:
        """Wait for the end of a fault, and read it back at intervals and at the end.

        Return when it was found to be gone (Unix seconds), and why; None if it was in force, or if it cannot tell.
        """
        loop, every_seconds = asyncio.get_running_loop(), injection.look_every.total_seconds()
        until, is_over = loop.time() + seconds, False
        while True:
            why = await _taken_back(injection)
            if why:
                return self._site.clocks.wall(), why
            left = until - loop.time()
            if is_over or left <= 0:
                return None, ""
            if why is None:
                self._tell_unreadable(fault)
                await _set_within(self._ending, left)
                return None, ""
            is_over = await _set_within(self._ending, min(every_seconds, left))

    def _tell_unreadable(self, fault: Fault) -> None:
        """Say once, also for a fault that repeats, that nobody would notice its end."""
        what = fault.kind, fault.target
        if what not in self._unreadable:
            self._unreadable.add(what)
            self._progress.tell(f"fault {_UNREADABLE}: {fault.kind} on {fault.target}: if it ends early, nothing tells")

    def _tell_lost(self, fault: Fault, why: str, lost_at: float, begun: _Beginning) -> str:
        instant = datetime.fromtimestamp(lost_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        words = f"{why}; noticed at {instant}, {lost_at - begun.at:.1f} s after it began"
        self._progress.tell(f"fault not in force any more: {fault.kind} on {fault.target}: {words}")
        if not self._observer.aborted:
            self._observer.abort(f"the fault {fault.kind} on {fault.target} was taken back by somebody else: {words}")
        return f"taken back by somebody else: {words}"

    async def _surge(self, surge: Surge) -> None:
        """Send more transactions from its instant on, until its end or that of all faults."""
        if await _set_within(self._ending, surge.at.total_seconds()):
            return
        probe, wall = self._probe_of(surge), self._site.clocks.wall
        async with self._site.connect(probe) as client:
            load = self._site.make_load(client, surge.rate, surge.max_in_flight)
            async with running(load):
                begun_at = wall()
                self._progress.faults[SURGE, surge.target] += 1
                self._progress.tell(f"surge begins: {surge.target}")
                lasts = surge.lasts.total_seconds() if isinstance(surge.lasts, timedelta) else None
                await _set_within(self._ending, lasts)
            ended_at = wall()
        self._progress.faults[SURGE, surge.target] -= 1
        self._progress.tell(f"surge ended: {surge.target}")
        self.records.append(
            FaultRecord(
                kind=SURGE,
                target=surge.target,
                settings=surge.model_dump(mode="json", exclude={"probe"}),
                injected_at=begun_at,
                healed_at=ended_at,
                load=load_record(load.tally, load.started_at, carried(probe)),
            )
        )

    def _probe_of(self, surge: Surge) -> AnyProbe:
        if surge.probe is None:
            return self._site.config.probe
        values = surge.probe.model_dump(by_alias=True, exclude_unset=True)
        return type(surge.probe).model_validate(relocate(values, self._site.config.addresses))


class _Beginning:
    """The instant at which a fault began, by both clocks; `at` is in Unix seconds."""

    def __init__(self, clocks: Clocks) -> None:
        self.at = 0.0
        self._wall = clocks.wall
        self._clock = asyncio.get_running_loop().time
        self._noted = 0.0

    def note(self) -> None:
        self.at, self._noted = self._wall(), self._clock()

    @property
    def seconds_ago(self) -> float:
        return self._clock() - self._noted


async def _taken_back(injection: Injection) -> str | None:
    try:
        async with asyncio.timeout(_LONGEST_LOOK_SECONDS):
            return await injection.taken_back()
    except TimeoutError:
        # A target that does not answer in time proves nothing.
        return ""


async def _set_within(event: asyncio.Event, seconds: float | None) -> bool:
    """Wait for an event for at most some seconds (None: for ever); return whether it was set."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
