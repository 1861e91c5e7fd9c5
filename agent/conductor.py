"""Drill → Recording: baseline, inject, observe, heal, recover.

It decides nothing about alerts. It looks at them only to know when to go on; what is judged is fetched
at the end, from the samples that Prometheus stored.
"""

from __future__ import annotations

import asyncio
import difflib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import fmean

from agent import __version__
from agent.config import AgentConfig
from agent.drill import Drill
from agent.errors import ConfigError, ServiceUnavailable
from agent.metrics import Situation, registry
from agent.monitoring.alertmanager import Alertmanager
from agent.monitoring.prometheus import Prometheus, ServedRule
from agent.recording import (
    ActiveRecord,
    AlertSamples,
    FaultRecord,
    LoadRecord,
    OutageRecord,
    Phase,
    PhaseRecord,
    Recording,
    SecondRecord,
    ValueSamples,
)
from agent.server import Inbox, metrics_route, serving
from agent.verdict.condition import split
from chaos.errors import FaultNotApplied
from chaos.fault import Endpoints, Fault, applied
from chaos.ledger import Ledger
from probes.arrivals import ConstantArrivals
from probes.load import Load
from probes.sender import Plan
from probes.tally import Tally

# A server that is away for longer makes the drill inconclusive anyway, so a broken thing is mended sooner.
_PATIENCE_SECONDS = 5.0
_LONGEST_POLL_SECONDS = 1.0


@dataclass
class Progress:
    """Where a drill stands, for whoever watches it; `phase_ends_by` is by the loop's clock."""

    drill: Drill
    tally: Tally = field(default_factory=Tally)
    phase: Phase | None = None
    phase_started: float = 0.0
    phase_ends_by: float = 0.0
    states: dict[str, str] = field(default_factory=dict)
    # How many faults of each kind and target are in force.
    faults: dict[tuple[str, str], int] = field(default_factory=dict)
    tell: Callable[[str], None] = lambda _: None


class Conductor:
    """Runs one drill against the servers of a configuration.

    `acknowledged` is called each second with the ids of the transactions that succeeded.
    """

    def __init__(
        self,
        config: AgentConfig,
        drill: Drill,
        tell: Callable[[str], None],
        acknowledged: Callable[[list[str]], None] = lambda _: None,
    ) -> None:
        self._acknowledged = acknowledged
        self._config = config
        self._drill = drill.scaled(config.time_scale)
        self.progress = Progress(self._drill, tell=tell)
        self.progress.faults = {(_kind(fault), fault.target): 0 for fault in self._drill.faults}
        self._prometheus = Prometheus(config.prometheus)
        self._alertmanager = Alertmanager(config.alertmanager)
        self._endpoints = Endpoints(toxiproxy_url=config.toxiproxy.url)
        self._ledger = Ledger(config.ledger.expanduser())
        self._inbox = Inbox()
        self._rules: list[ServedRule] = []
        self._phases: list[PhaseRecord] = []
        self._faults: list[FaultRecord] = []
        self._active: dict[tuple[object, ...], ActiveRecord] = {}
        self._outages: list[OutageRecord] = []
        self._outage_open = False
        self._aborted = ""

    async def check(self) -> None:
        """Make sure, before anything is broken, that all the drill needs is there.

        Raises ConfigError, ServiceUnavailable or FaultNotApplied.
        """
        self._rules = await self._prometheus.rules()
        known = sorted({served.rule.alert for served in self._rules})
        problems = []
        for alert in [*(expectation.alert for expectation in self._drill.expect), *self._drill.allow]:
            if alert not in known:
                near = difflib.get_close_matches(alert, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"Prometheus has: {', '.join(known) or 'none'}"
                problems.append(f"drill {self._drill.name}: no rule makes the alert {alert!r}, {hint}")
        if problems:
            raise ConfigError(*problems)
        await self._alertmanager.status()
        for fault in self._drill.faults:
            await fault.require_target(self._endpoints)
        left = [entry_id for entry_id, _ in self._ledger.entries()]
        if left:
            raise FaultNotApplied(
                f"the ledger {self._ledger.directory} holds {len(left)} fault(s) that may still be in force;"
                " run `alertdrill heal` first"
            )

    async def run(self) -> Recording:
        """Run the drill to its end; raises what `check` does, and FaultNotHealed."""
        async with self._prometheus, self._alertmanager:
            return await self._run()

    async def _run(self) -> Recording:
        await self.check()
        status = await self._alertmanager.status()
        version = await self._prometheus.version()
        scrape_seconds = await self._prometheus.scrape_seconds()
        arrivals = ConstantArrivals(self._drill.load.rate)
        routes = [self._inbox.route(), metrics_route(registry(self._situation))]
        async with serving(routes, self._config.listen), self._config.probe.opened() as client:
            load = Load(client, Plan(arrivals, self._drill.load.max_in_flight), self._acknowledged)
            self.progress.tally = load.tally
            started_at = time.time()
            async with running(load):
                await self._conduct()
            ended_at = time.time()
            alerts, values = await self._gather(started_at, ended_at)
        return Recording(
            alertdrill=__version__,
            drill=self._drill,
            time_scale=self._config.time_scale,
            started_at=started_at,
            ended_at=ended_at,
            phases=self._phases,
            faults=self._faults,
            load=_load_record(load),
            rules=[served.rule for served in self._rules],
            scrape_seconds=scrape_seconds,
            active=list(self._active.values()),
            alerts=alerts,
            values=values,
            notifications=self._inbox.notifications,
            outages=self._outages,
            alertmanager_config=status.config,
            prometheus_version=version,
            alertmanager_version=status.version,
            aborted=self._aborted,
        )

    def _situation(self) -> Situation:
        progress = self.progress
        checks = tuple(check for request in self._config.probe.counted for check in request.checks)
        return Situation(progress.tally, checks, self._drill.name, progress.phase, progress.faults)

    async def _conduct(self) -> None:
        async with self._phase("baseline", self._drill.baseline):
            await self._watch(self._drill.baseline, lambda: False)
        if self._away():
            return
        healing_at_last = asyncio.Event()
        async with self._phase("fault", self._drill.observe_for), asyncio.TaskGroup() as faults:
            for fault in self._drill.faults:
                faults.create_task(self._keep(fault, healing_at_last))
            await self._watch(self._drill.observe_for, self._all_fired, abortable=True)
            healing_at_last.set()
        if any(state in {"pending", "firing"} for state in self.progress.states.values()) and not self._away():
            async with self._phase("recovery", self._drill.observe_for):
                await self._watch(self._drill.observe_for, self._all_quiet)
                # One more evaluation, so that the record shows the alert's absence.
                await asyncio.sleep(2 * self._interval_seconds())

    @asynccontextmanager
    async def _phase(self, phase: Phase, longest: timedelta) -> AsyncIterator[None]:
        clock, started_at = asyncio.get_running_loop().time, time.time()
        self.progress.phase = phase
        self.progress.phase_started = clock()
        self.progress.phase_ends_by = clock() + longest.total_seconds()
        self.progress.tell(f"{phase} begins, at most {longest.total_seconds():.1f} s")
        yield
        self._phases.append(PhaseRecord(phase=phase, started_at=started_at, ended_at=time.time()))

    async def _keep(self, fault: Fault, healing_at_last: asyncio.Event) -> None:
        """Inject one fault at its instant and heal it at its end, or when all faults end."""
        kind = _kind(fault)
        if await _set_within(healing_at_last, fault.at.total_seconds()):
            return
        async with applied(fault, self._endpoints, self._ledger):
            injected_at = time.time()
            self.progress.faults[kind, fault.target] += 1
            self.progress.tell(f"fault injected: {kind} on {fault.target}")
            lasts = fault.lasts.total_seconds() if isinstance(fault.lasts, timedelta) else None
            await _set_within(healing_at_last, lasts)
        self.progress.faults[kind, fault.target] -= 1
        self.progress.tell(f"fault healed: {kind} on {fault.target}")
        settings = fault.model_dump(mode="json")
        self._faults.append(
            FaultRecord(
                kind=kind, target=fault.target, settings=settings, injected_at=injected_at, healed_at=time.time()
            )
        )

    async def _watch(self, longest: timedelta, done: Callable[[], bool], *, abortable: bool = False) -> None:
        """Look at the alerts until something is done, the time is up, or nobody answers any more."""
        clock = asyncio.get_running_loop().time
        until = clock() + longest.total_seconds()
        while clock() < until and not done() and not self._away() and not self._aborted:
            await asyncio.sleep(min(self._interval_seconds() / 2, _LONGEST_POLL_SECONDS, max(until - clock(), 0.001)))
            await self._look()
            if abortable:
                await self._look_for_abort()

    async def _look(self) -> None:
        now = time.time()
        try:
            active = await self._prometheus.active(now)
        except ServiceUnavailable as error:
            self._note_outage("Prometheus", str(error))
            return
        self._outage_open = False
        states: dict[str, str] = {}
        for alert in active:
            self._active[(*sorted(alert.labels.items()), alert.active_at, alert.state)] = alert
            name = alert.labels["alertname"]
            states[name] = "firing" if "firing" in {alert.state, states.get(name)} else alert.state
        for name in sorted(states | self.progress.states):
            if states.get(name) != self.progress.states.get(name):
                self.progress.tell(f"alert {name}: {states.get(name, 'inactive')}")
        self.progress.states = states

    async def _look_for_abort(self) -> None:
        for expr in self._drill.abort_if:
            try:
                if await self._prometheus.holds(expr):
                    self._aborted = f"abort_if became true: {expr}"
                    self.progress.tell(self._aborted)
            except ServiceUnavailable as error:
                self._note_outage("Prometheus", str(error))

    def _note_outage(self, server: str, reason: str) -> None:
        now = time.time()
        if self._outage_open:
            last = self._outages.pop()
            self._outages.append(last.model_copy(update={"last_at": now}))
        else:
            self.progress.tell(reason)
            self._outages.append(OutageRecord(server=server, first_at=now, last_at=now, reason=reason))
        self._outage_open = True

    def _away(self) -> bool:
        """Tell whether Prometheus has not answered for so long that waiting on is no use."""
        if not self._outage_open:
            return False
        return self._outages[-1].last_at - self._outages[-1].first_at > _PATIENCE_SECONDS

    def _interval_seconds(self) -> float:
        watched = {expectation.alert for expectation in self._drill.expect}
        return min(served.rule.interval_seconds for served in self._rules if served.rule.alert in watched)

    def _all_fired(self) -> bool:
        """Tell whether each expected alert fires and its receiver has been told."""
        return all(
            self.progress.states.get(expectation.alert) == "firing"
            and (expectation.receiver is None or self._told(expectation.alert))
            for expectation in self._drill.expect
        )

    def _told(self, alert: str) -> bool:
        return any(notification.labels.get("alertname") == alert for notification in self._inbox.notifications)

    def _all_quiet(self) -> bool:
        return not any(expectation.alert in self.progress.states for expectation in self._drill.expect)

    async def _gather(self, started_at: float, ended_at: float) -> tuple[list[AlertSamples], list[ValueSamples]]:
        """Fetch what Prometheus stored; what cannot be fetched is noted as an outage."""
        try:
            alerts = await self._prometheus.alert_samples(started_at, ended_at)
            values = [
                sample
                for served in self._watched()
                for sample in await self._values(served, alerts, started_at, ended_at)
            ]
        except ServiceUnavailable as error:
            self._note_outage("Prometheus", str(error))
            return [], []
        return alerts, values

    def _watched(self) -> list[ServedRule]:
        watched = {expectation.alert for expectation in self._drill.expect}
        return [served for served in self._rules if served.rule.alert in watched]

    async def _values(
        self, served: ServedRule, alerts: list[AlertSamples], started_at: float, ended_at: float
    ) -> list[ValueSamples]:
        rule, condition = served.rule, split(served.rule.expr)
        if condition is None:
            return []
        interval = rule.interval_seconds
        # A sample of ALERTS is exactly on the grid; the wall clock of an evaluation is a few milliseconds late.
        on_grid = next(
            (s.instants[0] for s in alerts if s.labels["alertname"] == rule.alert), served.last_evaluation_at
        )
        first = started_at + (on_grid - started_at) % interval
        series = await self._prometheus.values(condition.value_expr, first, ended_at, interval)
        return [ValueSamples(alert=rule.alert, labels=labels, samples=samples) for labels, samples in series]


@asynccontextmanager
async def running(load: Load) -> AsyncIterator[None]:
    """Keep a load running for the length of the block."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(load.run())
        yield
        task.cancel()


def _kind(fault: Fault) -> str:
    return str(getattr(fault, "kind", type(fault).__name__))


async def _set_within(event: asyncio.Event, seconds: float | None) -> bool:
    """Wait for an event for at most some seconds (None: for ever); tell whether it was set."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _load_record(load: Load) -> LoadRecord:
    tally = load.tally
    targets = [second.target_rate for second in tally.seconds]
    return LoadRecord(
        target_rate=fmean(targets) if targets else 0.0,
        due=tally.due,
        succeeded=tally.succeeded,
        failed=tally.failed,
        dropped=tally.dropped,
        in_flight_at_end=tally.in_flight,
        reasons=dict(tally.reasons),
        details=tally.details,
        lateness_p99_seconds=tally.lateness.percentile_seconds(99) or 0.0,
        seconds=[
            SecondRecord(
                at=load.started_at + second.offset,
                due=second.due,
                succeeded=second.succeeded,
                failed=second.failed,
                dropped=second.dropped,
                in_flight=second.in_flight,
                p50_seconds=second.p50_seconds,
                p95_seconds=second.p95_seconds,
                p99_seconds=second.p99_seconds,
            )
            for second in tally.seconds
        ],
    )


def recording_path(directory: Path, recording: Recording) -> Path:
    """Name the file of a recording: the drill and the instant (UTC) at which it began."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(recording.started_at))
    return directory / f"{recording.drill.name}-{stamp}.recording.json.gz"
