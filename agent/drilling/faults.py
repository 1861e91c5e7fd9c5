"""Injects the faults and surges of a drill, undoes them, and records when each was in force."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta

from alertdrill.agent.config.agent import relocate
from alertdrill.agent.config.drill import SURGE, Surge
from alertdrill.agent.drilling.healing import way_out
from alertdrill.agent.drilling.observer import Observer
from alertdrill.agent.drilling.progress import Progress
from alertdrill.agent.drilling.site import Clocks, FaultNote, Site
from alertdrill.agent.recording.load import load_record
from alertdrill.agent.recording.money import carried
from alertdrill.agent.recording.records import FaultRecord
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed, FaultTakenBack
from alertdrill.chaos.fault import Fault
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.timeline import spread
from alertdrill.probes.any_probe import AnyProbe
from alertdrill.units.text import one_line, utc_text
from alertdrill.units.waiting import set_within

_UNREADABLE = "cannot be read back"
_LONGEST_LOOK_SECONDS = 5.0


class FaultRunner:
    """Injects the faults of a drill, each at its instant; `records` are those that are over.

    A fault with a duration lasts that long, whatever the alerts do; the others end when the alerts fired.
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
        self._fired = asyncio.Event()
        self._with_durations: list[asyncio.Task[None]] = []
        self._unreadable: set[tuple[str, str]] = set()
        progress.faults = {(fault.kind, fault.target): 0 for fault in self._faults}
        progress.faults |= {(SURGE, surge.target): 0 for surge in self._surges}

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Start a task for each fault and each surge, which waits for its instant."""
        started = [(fault.lasts, tasks.create_task(self._keep(fault))) for fault in spread(self._faults)]
        started += [(surge.lasts, tasks.create_task(self._surge(surge))) for surge in self._surges]
        self._with_durations = [task for lasts, task in started if isinstance(lasts, timedelta)]

    @property
    def is_over(self) -> bool:
        """Whether every fault with a duration came and is undone."""
        return all(task.done() for task in self._with_durations)

    def end_until_fired(self) -> None:
        """Undo now what lasts until the alerts fired."""
        self._fired.set()

    def end(self) -> None:
        """Undo now all that is in force; the tasks end when it is undone."""
        self._fired.set()
        self._ending.set()

    def _end_of(self, fault: Fault | Surge) -> asyncio.Event:
        return self._ending if isinstance(fault.lasts, timedelta) else self._fired

    async def _keep(self, fault: Fault) -> None:
        """Inject one fault at its instant, and undo it at its end or when all faults end."""
        if await set_within(self._end_of(fault), fault.at.total_seconds()):
            return
        kind, site, begun = fault.kind, self._site, _Beginning(self._site.clocks)
        longest = (fault.at_most if fault.lasts == "until-fired" else fault.lasts).total_seconds()
        is_injected, outcome, problem, why, unhealed = False, "", "", "", ""
        lost_at: float | None = None
        try:
            endpoints, forbids = site.config.endpoints, site.config.guards.target_problem
            async with applied(fault, endpoints, self._ledger, begun.note, forbids) as injection:
                is_injected = True
                begun.confirm()
                self._note_begin(fault, begun)
                self._progress.tell(f"fault injected: {kind} on {fault.target}")
                # Like the watchdog, count `at_most` from the entry in the ledger: the injection may have taken long.
                left = fault.at_most.total_seconds() - begun.seconds_ago
                lost_at, why = await self._watched(fault, injection, max(min(longest, left), 0))
                await self._note_undo(begun)
            outcome = injection.outcome
        except FaultTakenBack as error:
            if not self._observer.aborted:
                self._observer.abort(str(error))
        except FaultNotApplied as error:
            if is_injected := error.in_part:
                begun.confirm()
                self._note_begin(fault, begun)
                outcome = one_line(error)
            raise
        except FaultNotHealed as error:
            problem = one_line(error)
            unhealed = error.entry_id
            raise
        finally:
            # Also if the drill is interrupted: the recording then has the fault as well.
            if is_injected:
                if lost_at is not None:
                    outcome = self._tell_lost(fault, why, lost_at, begun)
                self._note_end(fault, begun, lost_at, outcome, problem)
            if unhealed:
                self._progress.tell(way_out(site.config.heal_command, unhealed))

    async def _note_undo(self, begun: _Beginning) -> None:
        if not self._fired.is_set():
            await self._observer.note_scrape_errors()
        begun.note_undo()

    def _note_begin(self, fault: Fault, begun: _Beginning) -> None:
        self._progress.begin_fault((fault.kind, fault.target), begun.at)
        self._site.note_fault(FaultNote(begun.key, self._progress.drill.name, fault.kind, fault.target, begun.at))

    def _note_end(self, fault: Fault, begun: _Beginning, lost_at: float | None, outcome: str, problem: str) -> None:
        """Record a fault; after `lost_at` it was not in force any more, and the reports must not show it so."""
        self._progress.faults[fault.kind, fault.target] -= 1
        what = f"{fault.kind} on {fault.target}"
        said = f"fault NOT healed: {what}: {problem}" if problem else f"fault healed: {what}"
        self._progress.tell(f"{said}, {outcome}" if outcome else said)
        ended_at = max(self._site.clocks.wall() if lost_at is None else lost_at, begun.confirmed_at)
        note = FaultNote(
            begun.key, self._progress.drill.name, fault.kind, fault.target, begun.at, ended_at, not problem
        )
        self._site.note_fault(note)
        noted = [f"not undone: {problem}" if problem else outcome]
        if (fault.kind, fault.target) in self._unreadable:
            noted.append(_UNREADABLE)
        self.records.append(
            FaultRecord(
                kind=fault.kind,
                target=fault.target,
                settings=fault.model_dump(mode="json"),
                injected_at=begun.at,
                in_force_at=begun.confirmed_at,
                undo_began_at=begun.undone_at if lost_at is None else lost_at,
                healed_at=ended_at,
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
                await set_within(self._end_of(fault), left)
                return None, ""
            is_over = await set_within(self._end_of(fault), min(every_seconds, left))

    def _tell_unreadable(self, fault: Fault) -> None:
        """Write once, also for a fault that repeats, that its end would not be seen."""
        what = fault.kind, fault.target
        if what not in self._unreadable:
            self._unreadable.add(what)
            self._progress.tell(f"fault {_UNREADABLE}: {fault.kind} on {fault.target}: if it ends early, nothing tells")

    def _tell_lost(self, fault: Fault, why: str, lost_at: float, begun: _Beginning) -> str:
        instant = utc_text(datetime.fromtimestamp(lost_at, UTC))
        words = f"{why}; noticed at {instant}, {lost_at - begun.at:.1f} s after it began"
        self._progress.tell(f"fault not in force any more: {fault.kind} on {fault.target}: {words}")
        if not self._observer.aborted:
            self._observer.abort(f"the fault {fault.kind} on {fault.target} was taken back by somebody else: {words}")
        return f"taken back by somebody else: {words}"

    async def _surge(self, surge: Surge) -> None:
        """Send more transactions from its instant on, until its end or that of all faults."""
        if await set_within(self._end_of(surge), surge.at.total_seconds()):
            return
        probe, wall = self._probe_of(surge), self._site.clocks.wall
        async with self._site.surging(surge, probe) as load:
            begun_at = wall()
            self._progress.begin_fault((SURGE, surge.target), begun_at)
            self._progress.tell(f"surge begins: {surge.target}")
            lasts = surge.lasts.total_seconds() if isinstance(surge.lasts, timedelta) else None
            await set_within(self._end_of(surge), lasts)
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
    """The instant at which a fault began, by both clocks; the others are in Unix seconds.

    It is in force for certain from `confirmed_at` until `undone_at`, at which its undo began.
    """

    def __init__(self, clocks: Clocks) -> None:
        self.key = secrets.token_hex(8)
        self.at = self.confirmed_at = 0.0
        self.undone_at: float | None = None
        self._wall = clocks.wall
        self._clock = asyncio.get_running_loop().time
        self._noted = 0.0

    def note(self) -> None:
        self.at, self._noted = self._wall(), self._clock()

    def confirm(self) -> None:
        # Not the wall clock, which may be set back meanwhile.
        self.confirmed_at = self.at + self.seconds_ago

    def note_undo(self) -> None:
        self.undone_at = self.at + self.seconds_ago

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
