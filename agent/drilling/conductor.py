"""Drill → Recording: baseline, inject, observe, heal, recover.

It decides nothing about alerts. It looks at them only to know when to go on; what is judged is fetched
at the end, from the samples that Prometheus stored.
"""

from __future__ import annotations

import asyncio
import difflib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import timedelta

from alertdrill import __version__
from alertdrill.agent.config.agent import AgentConfig
from alertdrill.agent.config.drill import Drill
from alertdrill.agent.drilling import dashboards
from alertdrill.agent.drilling.evidence import Evidence
from alertdrill.agent.drilling.faults import FaultRunner
from alertdrill.agent.drilling.guard import Guard
from alertdrill.agent.drilling.healing import mend, require_nothing_in_force
from alertdrill.agent.drilling.lock import locked
from alertdrill.agent.drilling.observer import EARLIER_SECONDS, Observer
from alertdrill.agent.drilling.progress import Progress
from alertdrill.agent.drilling.silencing import others_silenced
from alertdrill.agent.errors import ConfigError, ServiceUnavailable
from alertdrill.agent.monitoring.alertmanager import Alertmanager
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.recording.load import load_record
from alertdrill.agent.recording.money import carried
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertSamples, Phase, PhaseRecord, TargetRecord, WatchedRecord
from alertdrill.agent.scorecard.measure import over_phases
from alertdrill.agent.serving.metrics import AgentState, registry
from alertdrill.agent.serving.server import Inbox, metrics_route, serving
from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Fault
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.safety.lease import leased
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.timeline import spread
from alertdrill.probes.any_probe import open_client
from alertdrill.probes.figures.figures import measures
from alertdrill.probes.figures.measures import Measures
from alertdrill.probes.load.arrivals import ConstantArrivals
from alertdrill.probes.load.load import Load, Plan, running

_LONGEST_POLL_SECONDS = 1.0


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
        self._prometheus = Prometheus(config.prometheus)
        self._alertmanager = Alertmanager(config.alertmanager)
        self._endpoints = config.endpoints
        self._ledger = Ledger(config.ledger.expanduser(), drill.name)
        self._guard = Guard(config.guards, self._drill)
        self._inbox = Inbox()
        self._observer = Observer(self._prometheus, self._alertmanager, self._drill, tell)
        self.progress.observer = self._observer
        self._breaking = FaultRunner(config, self.progress, self._observer, self._ledger, acknowledged)
        self._load_started = 0.0
        self._phases: list[PhaseRecord] = []

    async def plan(self) -> list[tuple[Fault, Injection]]:
        """Find out what the drill would do, in the order of its time line, and break nothing; raises what `check` does."""
        async with self._prometheus, self._alertmanager:
            found = await self.check()
            await self._observer.look()
            if reason := await self._unready():
                raise FaultNotApplied(f"nothing may be broken, because {reason}")
        planned = [(step, injection) for fault, injection in found for step in spread([fault])]
        return sorted(planned, key=lambda one: one[0].at)

    async def _unready(self) -> str:
        return self._guard.unready(self._observer.states, await self._observer.silences())

    async def check(self) -> list[tuple[Fault, Injection]]:
        """Make sure, before anything is broken, that all the drill needs is there, and tell what each fault found.

        Raises ConfigError, ServiceUnavailable or FaultNotApplied.
        """
        await self._observer.begin()
        known = sorted({rule.alert for rule in self._observer.rules})
        problems = []
        for alert in [*(expectation.alert for expectation in self._drill.expect), *self._drill.allow]:
            if alert not in known:
                near = difflib.get_close_matches(alert, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"Prometheus has: {', '.join(known) or 'none'}"
                problems.append(f"drill {self._drill.name}: no rule makes the alert {alert!r}, {hint}")
        if problems:
            raise ConfigError(*problems)
        # By its own words first: what is forbidden is not even looked for.
        self._guard.require_allowed(fault.target for fault in self._drill.faults)
        found = [await fault.resolve(self._endpoints, self._ledger.new_id()) for fault in self._drill.faults]
        self._guard.require_allowed(injection.target for injection in found)
        require_nothing_in_force(self._ledger)
        return list(zip(self._drill.faults, found, strict=True))

    async def run(self) -> Recording:
        """Run the drill to its end; raises what `check` does, and FaultNotHealed."""
        target = f"{self._config.prometheus.url} and {self._endpoints.toxiproxy_url}"
        with locked(self._ledger.directory.parent, target, self._drill.name):
            async with self._prometheus, self._alertmanager:
                return await self._run()

    async def _run(self) -> Recording:
        await mend(self._ledger, self.progress.tell)
        await self.check()
        arrivals = ConstantArrivals(self._drill.load.rate)
        routes = [self._inbox.route(), self._guard.stop_route(), metrics_route(registry(self._situation))]
        async with serving(routes, self._config.listen), open_client(self._config.probe) as client:
            load = Load(client, Plan(arrivals, self._drill.load.max_in_flight), self._acknowledged)
            self.progress.tally = load.tally
            started_at = time.time()
            self._load_started = asyncio.get_running_loop().time()
            async with self._leased(), running(load), self._others_silenced():
                await self._conduct()
            ended_at = time.time()
            return await self._recorded(load, started_at, ended_at)

    async def _recorded(self, load: Load, started_at: float, ended_at: float) -> Recording:
        observer = self._observer
        alerts, watched, targets = await self._gather(started_at, ended_at)
        earlier = await observer.earlier(Evidence(self._prometheus, started_at, ended_at))
        prometheus, alertmanager = await observer.prometheus_record(), await observer.alertmanager_record()
        return Recording(
            alertdrill=__version__,
            drill=self._drill,
            time_scale=self._config.time_scale,
            started_at=started_at,
            ended_at=ended_at,
            phases=self._phases,
            faults=self._breaking.records,
            load=load_record(load, carried(self._config.probe)),
            prometheus=prometheus,
            alertmanager=alertmanager,
            rules=observer.rules,
            rules_at_end=await observer.rules_at_end(),
            groups=observer.groups,
            watched=watched,
            targets=targets,
            active=observer.active,
            alerts=alerts,
            earlier=earlier or [],
            earlier_since=None if earlier is None else started_at - EARLIER_SECONDS,
            notifications=self._inbox.notifications,
            outages=observer.outages,
            aborted=observer.aborted,
            kpis=await over_phases(self._config.kpis, self._prometheus, self._phases, self._config.time_scale),
            dashboards=self._dashboards(),
        )

    def _dashboards(self) -> dict[str, str]:
        if self._config.grafana is None:
            return {}
        expected = [expectation.alert for expectation in self._drill.expect]
        return dashboards.links(self._config.grafana, self._observer.rules, expected)

    def _figures(self) -> Measures:
        seconds = asyncio.get_running_loop().time() - self._load_started
        return measures(self.progress.tally, self._config.probe.counted, seconds)

    def _situation(self) -> AgentState:
        progress = self.progress
        checks = tuple(check for request in self._config.probe.counted for check in request.checks)
        return AgentState(progress.tally, checks, self._drill.name, progress.phase, progress.faults)

    async def _conduct(self) -> None:
        async with self._phase("baseline", self._drill.baseline):
            await self._watch(self._drill.baseline, lambda: False)
        if self._observer.is_away or self._observer.aborted:
            return
        if reason := await self._unready():
            self._observer.abort(f"nothing was broken, because {reason}")
            return
        async with self._phase("fault", self._drill.observe_for), asyncio.TaskGroup() as tasks:
            self._breaking.begin(tasks)
            await self._watch(self._drill.observe_for, self._all_fired, abortable=True)
            self._breaking.end()
        if self._observer.states and not self._observer.is_away:
            async with self._phase("recovery", self._drill.observe_for):
                await self._watch(self._drill.observe_for, self._all_quiet)
                # One more evaluation, so that the record shows the alert's absence.
                await asyncio.sleep(2 * self._observer.interval_seconds)

    def _leased(self) -> AbstractAsyncContextManager[object]:
        return leased(self._ledger, self._lose) if self._drill.faults else nullcontext()

    def _lose(self, reason: str) -> None:
        # Once all is undone, nobody needs a watchdog.
        if self.progress.phase != "recovery":
            self._observer.abort(reason)

    @asynccontextmanager
    async def _others_silenced(self) -> AsyncIterator[None]:
        if not self._drill.silence_others:
            yield
            return
        async with others_silenced(self._alertmanager, self._drill, self.progress.tell):
            yield

    @asynccontextmanager
    async def _phase(self, phase: Phase, longest: timedelta) -> AsyncIterator[None]:
        clock, started_at = asyncio.get_running_loop().time, time.time()
        self.progress.phase = phase
        self.progress.phase_started = clock()
        self.progress.phase_ends_by = clock() + longest.total_seconds()
        self.progress.tell(f"{phase} begins, at most {longest.total_seconds():.1f} s")
        yield
        self._phases.append(PhaseRecord(phase=phase, started_at=started_at, ended_at=time.time()))

    async def _watch(self, longest: timedelta, done: Callable[[], bool], *, abortable: bool = False) -> None:
        """Look at the alerts until something is done, the time is up, or nobody answers any more."""
        clock, observer = asyncio.get_running_loop().time, self._observer
        until = clock() + longest.total_seconds()
        while clock() < until and not done() and not observer.is_away and not observer.aborted:
            await asyncio.sleep(min(observer.interval_seconds / 2, _LONGEST_POLL_SECONDS, max(until - clock(), 0.001)))
            await observer.look()
            await self.progress.tally.whole()
            if reason := self._guard.problem(self._figures, clock() - self._load_started):
                observer.abort(reason)
            elif abortable:
                await observer.look_for_abort()

    def _all_fired(self) -> bool:
        """Tell whether each expected alert fires and its receiver has been told; a control goes on to its end."""
        return bool(self._drill.expect) and all(
            self._observer.states.get(expectation.alert) == "firing"
            and (expectation.receiver is None or self._told(expectation.alert))
            for expectation in self._drill.expect
        )

    def _told(self, alert: str) -> bool:
        return any(notification.labels.get("alertname") == alert for notification in self._inbox.notifications)

    def _all_quiet(self) -> bool:
        return not any(expectation.alert in self._observer.states for expectation in self._drill.expect)

    async def _gather(
        self, started_at: float, ended_at: float
    ) -> tuple[list[AlertSamples], list[WatchedRecord], list[TargetRecord]]:
        """Fetch what Prometheus stored; what cannot be fetched is noted as an outage."""
        evidence, observer = Evidence(self._prometheus, started_at, ended_at), self._observer
        expected = {expectation.alert for expectation in self._drill.expect}
        watched: list[WatchedRecord] = []
        targets: dict[tuple[str, str], TargetRecord] = {}
        try:
            alerts = await evidence.alerts()
            for rule in observer.rules:
                if rule.alert in expected:
                    record, behind = await evidence.watched(rule, observer.groups, alerts, observer.active)
                    watched.append(record)
                    targets |= {(target.job, target.instance): target for target in behind}
        except ServiceUnavailable as error:
            observer.note_outage("Prometheus", str(error))
            return [], [], []
        return alerts, watched, list(targets.values())
