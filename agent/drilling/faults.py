"""Keeps each fault and each surge of a drill in force for its time, and records what was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from alertdrill.agent.config.agent import AgentConfig, relocate
from alertdrill.agent.config.drill import KIND as SURGE
from alertdrill.agent.config.drill import Surge
from alertdrill.agent.drilling.observer import Observer
from alertdrill.agent.drilling.progress import Progress
from alertdrill.agent.recording.load import load_record
from alertdrill.agent.recording.money import carried
from alertdrill.agent.recording.records import FaultRecord
from alertdrill.chaos.errors import FaultTakenBack
from alertdrill.chaos.fault import Fault
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.timeline import spread
from alertdrill.probes.any_probe import AnyProbe, open_client
from alertdrill.probes.load.arrivals import ConstantArrivals
from alertdrill.probes.load.load import Load, Plan, running


class FaultRunner:
    """Breaks what a drill's file says, each at its instant; `records` are those that are over.

    What cannot be injected, or is taken back by somebody else, is told to the observer, who ends the drill.
    """

    def __init__(
        self,
        config: AgentConfig,
        progress: Progress,
        observer: Observer,
        ledger: Ledger,
        acknowledged: Callable[[list[str]], None],
    ) -> None:
        self.records: list[FaultRecord] = []
        self._config = config
        self._faults = progress.drill.faults
        self._surges = progress.drill.load.surges
        self._progress = progress
        self._observer = observer
        self._ledger = ledger
        self._acknowledged = acknowledged
        self._ending = asyncio.Event()
        progress.faults = {(fault.kind, fault.target): 0 for fault in self._faults}
        progress.faults |= {(SURGE, surge.target): 0 for surge in self._surges}

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Start a task for each, which waits for its instant."""
        for fault in spread(self._faults):
            tasks.create_task(self._keep(fault))
        for surge in self._surges:
            tasks.create_task(self._surge(surge))

    def end(self) -> None:
        """Have all that is in force undone now; the tasks end when it is."""
        self._ending.set()

    async def _keep(self, fault: Fault) -> None:
        """Inject one fault at its instant and heal it at its end, or when all faults end."""
        kind = fault.kind
        if await _set_within(self._ending, fault.at.total_seconds()):
            return
        longest = (fault.at_most if fault.lasts == "until-fired" else fault.lasts).total_seconds()
        began: list[float] = []
        is_injected, outcome = False, ""
        try:
            noted, forbids = partial(_note_now, began), self._config.guards.target_problem
            async with applied(fault, self._config.endpoints, self._ledger, noted, forbids) as injection:
                is_injected = True
                self._progress.faults[kind, fault.target] += 1
                self._progress.tell(f"fault injected: {kind} on {fault.target}")
                # From its entry in the ledger on, as the watchdog counts: injecting it may have taken long.
                left = fault.at_most.total_seconds() - (time.time() - began[0])
                await _set_within(self._ending, max(min(longest, left), 0))
            outcome = injection.outcome
        except FaultTakenBack as error:
            if not self._observer.aborted:
                self._observer.abort(str(error))
        if not is_injected:
            return
        self._progress.faults[kind, fault.target] -= 1
        self._progress.tell(f"fault healed: {kind} on {fault.target}{f', {outcome}' if outcome else ''}")
        self.records.append(
            FaultRecord(
                kind=kind,
                target=fault.target,
                settings=fault.model_dump(mode="json"),
                injected_at=began[0],
                healed_at=time.time(),
                outcome=outcome,
            )
        )

    async def _surge(self, surge: Surge) -> None:
        """Send more at its instant, until its end or that of all faults."""
        if await _set_within(self._ending, surge.at.total_seconds()):
            return
        probe = self._probe_of(surge)
        async with open_client(probe) as client:
            plan = Plan(ConstantArrivals(surge.rate), surge.max_in_flight)
            load = Load(client, plan, self._acknowledged)
            async with running(load):
                begun_at = time.time()
                self._progress.faults[SURGE, surge.target] += 1
                self._progress.tell(f"surge begins: {surge.target}")
                lasts = surge.lasts.total_seconds() if isinstance(surge.lasts, timedelta) else None
                await _set_within(self._ending, lasts)
            ended_at = time.time()
        self._progress.faults[SURGE, surge.target] -= 1
        self._progress.tell(f"surge ended: {surge.target}")
        settings = surge.model_dump(mode="json", exclude={"probe"})
        self.records.append(
            FaultRecord(
                kind=SURGE,
                target=surge.target,
                settings=settings,
                injected_at=begun_at,
                healed_at=ended_at,
                load=load_record(load, carried(probe)),
            )
        )

    def _probe_of(self, surge: Surge) -> AnyProbe:
        if surge.probe is None:
            return self._config.probe
        values = surge.probe.model_dump(by_alias=True, exclude_unset=True)
        return type(surge.probe).model_validate(relocate(values, self._config.addresses))


def _note_now(instants: list[float]) -> None:
    instants.append(time.time())


async def _set_within(event: asyncio.Event, seconds: float | None) -> bool:
    """Wait for an event for at most some seconds (None: for ever); tell whether it was set."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
