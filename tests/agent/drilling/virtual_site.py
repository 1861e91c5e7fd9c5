"""A site in virtual time: a service, Prometheus and Alertmanager on the loop's clock, without a network.

The alert `Slow` is true while the service is slow. It is evaluated at every full second and a quarter, has a `for` of
5 s, and Alertmanager waits 2 s before it notifies, and 4 s before the next time. The state machines are those of the simulator.
Instants of tests are seconds since the start of the loop; Unix time begins at `EPOCH`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Self
from weakref import WeakKeyDictionary

from pydantic import PrivateAttr

from alertdrill.agent.config.agent import AgentConfig
from alertdrill.agent.config.drill import Drill
from alertdrill.agent.drilling.machine import MachineWatch
from alertdrill.agent.drilling.site import Clocks, Dependencies, Site
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.monitoring.alertmanager import Alertmanager, NotificationCount
from alertdrill.agent.monitoring.held import AlertmanagerStatus, HeldAlert, Silence
from alertdrill.agent.monitoring.prometheus import ClockOffset, Prometheus
from alertdrill.agent.monitoring.rules import ActiveAlert, AlertingRule, AnyServedGroup, RuleGroup
from alertdrill.agent.monitoring.series import Series
from alertdrill.agent.monitoring.status import Flags, RuntimeInfo
from alertdrill.agent.monitoring.targets import Target
from alertdrill.agent.recording.recording import Recording
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.injection import Injection
from alertdrill.probes.client import Ended
from alertdrill.probes.load.load import Load
from alertdrill.probes.outcome import Outcome
from alertdrill.units.processor_time import counters
from simulator import alertmanager as simulated
from simulator.group import Post
from simulator.promql import Compare, Selector
from simulator.rules import AlertingRule as SimulatedRule
from simulator.rules import Rule, State
from simulator.values import Labels, labels_of
from tests.support.virtual_time import loop_time

EPOCH = 1_790_000_000.0
_EVALUATED_AT, _STEP = 0.25, 0.25
# While Prometheus is away nothing happens, and a day passes in seconds.
_STEP_AWAY = 60.0
# No transaction ends when another one is due.
_HEALTHY_SECONDS, _SLOW_SECONDS = 0.0105, 0.6005
_SLOW = labels_of(instance="shop:80", job="shop")


_AHEAD: WeakKeyDictionary[asyncio.AbstractEventLoop, float] = WeakKeyDictionary()


def unix_time() -> float:
    return EPOCH + loop_time() + _AHEAD.get(asyncio.get_running_loop(), 0.0)


def set_forward(seconds: float) -> None:
    """Set all wall clocks forward, as after a machine was suspended: the clock of the loop stood still."""
    loop = asyncio.get_running_loop()
    _AHEAD[loop] = _AHEAD.get(loop, 0.0) + seconds


def since_start(instant: float) -> float:
    """Convert Unix seconds into seconds of the loop, rounded: large floats are not exact."""
    return round(instant - EPOCH, 4)


class Service:
    """Answers after about 10 ms; while it is slow, after about 600 ms, and then each transaction fails.

    `sent` and `ended` are the instants of its transactions.
    """

    def __init__(self) -> None:
        self.faults_in_force = 0
        self.taken_back: str | None = ""
        self.looks: list[float] = []
        self.is_failing = False
        self.sent: list[float] = []
        self.ended: list[float] = []

    @property
    def is_slow(self) -> bool:
        return self.faults_in_force > 0

    def start(self, ended: Ended) -> None:
        self.sent.append(loop_time())
        outcome = Outcome("timeout", "too late") if self.is_slow or self.is_failing else Outcome()
        seconds = _SLOW_SECONDS if self.is_slow else _HEALTHY_SECONDS
        asyncio.get_running_loop().call_later(seconds, self._end, ended, outcome)

    def _end(self, ended: Ended, outcome: Outcome) -> None:
        self.ended.append(loop_time())
        ended(outcome)

    def take_acknowledged(self) -> list[str]:
        return []

    def counted(self, start: float, end: float) -> tuple[int, int]:
        """Count what was sent and what ended between two instants of the loop."""
        return sum(start <= at < end for at in self.sent), sum(start <= at < end for at in self.ended)


class Slowness(Fault):
    """Makes the service slow; the injection takes `inject_seconds`, and undoing it no time, unless one of them fails."""

    kind: Literal["slowness"] = "slowness"
    target_name: str = "service"
    inject_seconds: float = 0.0
    inject_fails: bool | Literal["in part", "in time"] = False
    undo_fails: bool = False
    look_every_seconds: float = 1.0
    _service: Service | None = PrivateAttr(None)

    def on(self, service: Service) -> Self:
        """Choose the service that becomes slow."""
        self._service = service
        return self

    @property
    def target(self) -> str:
        return self.target_name

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> Injection:
        del endpoints, entry_id
        assert self._service is not None
        injection = SlownessInjection(**self.model_dump(include=set(SlownessInjection.model_fields)))
        return injection.on(self._service)


class SlownessInjection(Injection):
    kind: Literal["slowness"] = "slowness"
    target_name: str
    inject_seconds: float
    inject_fails: bool | Literal["in part", "in time"]
    undo_fails: bool
    look_every_seconds: float
    _service: Service | None = PrivateAttr(None)
    _is_in_force: bool = PrivateAttr(False)

    def on(self, service: Service) -> Self:
        """Choose the service that becomes slow."""
        self._service = service
        return self

    @property
    def target(self) -> str:
        return self.target_name

    @property
    def look_every(self) -> timedelta:
        return timedelta(seconds=self.look_every_seconds)

    async def inject(self) -> None:
        await asyncio.sleep(self.inject_seconds)
        if self.inject_fails == "in time":
            raise FaultNotApplied("the service does not answer") from TimeoutError()
        if self.inject_fails:
            raise FaultNotApplied("the service is away", in_part=self.inject_fails == "in part")
        self._service.faults_in_force += 1
        self._is_in_force = True

    async def taken_back(self) -> str | None:
        self._service.looks.append(loop_time())
        return self._service.taken_back

    async def undo(self) -> None:
        if self.undo_fails:
            raise FaultNotHealed("the service is away")
        if self._is_in_force:
            self._service.faults_in_force -= 1
            self._is_in_force = False


class VirtualPrometheus(Prometheus):
    """Evaluates one rule, and serves what came of it."""

    def __init__(self, service: Service) -> None:
        self.machine = SimulatedRule(Rule("Slow", Compare(Selector("slow"), ">", 0.0), hold=5000), 1000)
        self._service = service
        self.is_away = False
        self._last_at: float | None = None
        self.others: dict[str, tuple[float, float]] = {}
        """Further alerts, each with the time in which it fires, in seconds of the loop."""
        self._samples: dict[Labels, list[tuple[float, float]]] = {}

    def evaluate(self) -> Post:
        """Evaluate the rule now, and return what is posted to Alertmanager."""
        at = _millis(unix_time())
        shown = self.machine.evaluate(at, [_SLOW] if self._service.is_slow else [])
        self._last_at = at / 1000
        for other in self._firing_others():
            key = labels_of(__name__="ALERTS", alertstate="firing", alertname=other)
            self._samples.setdefault(key, []).append((at / 1000, 1.0))
        for alert in shown:
            for name, labels, value in (
                ("ALERTS", {"alertstate": alert.state.value}, 1.0),
                ("ALERTS_FOR_STATE", {}, alert.active_at // 1000),
            ):
                key = labels_of(__name__=name, **labels, **dict(alert.labels))
                self._samples.setdefault(key, []).append((at / 1000, float(value)))
        return Post(at, tuple(self.machine.to_send(at, 60_000)))

    def evaluated_before(self, seconds: float) -> None:
        """Set the instant of the evaluation before the drill, in seconds of the loop."""
        self._last_at = EPOCH + seconds

    def _firing_others(self) -> list[str]:
        now = -math.inf if self._last_at is None else self._last_at - EPOCH
        return [name for name, (begin, end) in self.others.items() if begin <= now < end]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def _require_there(self) -> None:
        if self.is_away:
            raise ServiceUnavailable("Prometheus does not answer")

    async def rule_groups(self) -> list[RuleGroup]:
        self._require_there()
        active = tuple(
            ActiveAlert(dict(alert.labels), alert.state.value, alert.active_at / 1000, 1.0)
            for alert in self.machine.active.values()
            if alert.state is not State.INACTIVE
        )
        firing = self._firing_others()
        others = tuple(
            AlertingRule(name, "vector(1)", 0.0, "ok", {}, {}, last_evaluation_at=self._last_at, alerts=alerts)
            for name, alerts in ((name, _firing(name) if name in firing else ()) for name in self.others)
        )
        rule = AlertingRule("Slow", "slow > 0", 5.0, "ok", {}, {}, last_evaluation_at=self._last_at, alerts=active)
        return [RuleGroup("shop", "rules.yml", 1.0, (rule, *others), last_evaluation_at=self._last_at)]

    async def all_rules(self) -> list[AnyServedGroup]:
        self._require_there()
        return []

    async def flags(self) -> Flags:
        self._require_there()
        return Flags()

    async def runtime(self) -> RuntimeInfo:
        self._require_there()
        return RuntimeInfo(started_at=EPOCH - 3600)

    async def version(self) -> str:
        self._require_there()
        return "virtual"

    async def clock_offset(self) -> ClockOffset:
        self._require_there()
        return ClockOffset(0.0, 0.0)

    async def targets(self) -> list[Target]:
        self._require_there()
        return []

    async def holds(self, expr: str) -> bool:
        self._require_there()
        return expr == "slow > 0" and self._service.is_slow

    async def instant(self, expr: str, at: float | None = None) -> list[Series]:
        self._require_there()
        del at
        name = expr.partition("[")[0]
        found = [(dict(labels), samples) for labels, samples in self._samples.items()]
        return [Series(labels, tuple(samples)) for labels, samples in found if labels["__name__"] == name]

    async def range(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        self._require_there()
        del expr, start, end, step
        return []

    async def label_values(self, label: str, start: float, end: float) -> list[str]:
        self._require_there()
        del label, start, end
        return []


def _firing(name: str) -> tuple[ActiveAlert, ...]:
    return (ActiveAlert({"alertname": name}, "firing", EPOCH, 1.0),)


class VirtualAlertmanager(Alertmanager):
    """Groups and notifies as Alertmanager does; `silenced` has the begin and the end of each silence."""

    def __init__(self) -> None:
        url = "http://127.0.0.1:0/api/v1/webhook/pager"
        receivers = f"[{{name: pager, webhook_configs: [{{url: '{url}'}}]}}]"
        self.config = f"route: {{receiver: pager}}\nreceivers: {receivers}"
        self.engine = simulated.Alertmanager(simulated.Routing(group_wait=2000, group_interval=4000))
        self.silenced: list[tuple[float, float]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def status(self) -> AlertmanagerStatus:
        return AlertmanagerStatus("virtual", self.config, EPOCH - 3600)

    async def alerts(self) -> list[HeldAlert]:
        return []

    async def silences(self) -> list[Silence]:
        return []

    async def notification_counts(self) -> list[NotificationCount]:
        return [NotificationCount("webhook", "", float(len(self.engine.notifications)), 0.0)]

    async def add_silence(self, matchers: Any, until: Any, author: str, comment: str) -> str:
        del matchers, author, comment
        self.silenced.append((loop_time(), until.timestamp()))
        return "1"

    async def end_silence(self, silence_id: str) -> None:
        assert silence_id == "1"
        begun, until = self.silenced.pop()
        self.silenced.append((begun, min(unix_time(), until)))


def _millis(instant: float) -> int:
    return round(instant * 1000)


class RecordedSite(Site):
    """A site whose loads can be looked at."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.loads: list[Load] = []

    def make_load(self, *args: Any) -> Load:
        self.loads.append(super().make_load(*args))
        return self.loads[-1]


@dataclass
class World:
    """A service, its monitoring, and the configuration of an agent; `config` may be changed before a site is made."""

    folder: Path
    service: Service = field(default_factory=Service)
    config: dict[str, Any] = field(default_factory=dict)
    lines: list[tuple[float, str]] = field(default_factory=list)
    steady: Callable[[], float] = loop_time

    def __post_init__(self) -> None:
        self.prometheus = VirtualPrometheus(self.service)
        self.alertmanager = VirtualAlertmanager()

    def tell(self, text: str) -> None:
        """Keep a line with its instant."""
        self.lines.append((round(loop_time(), 4), text))

    def printed(self, text: str) -> list[float]:
        """Return the instants of the lines that begin with a text."""
        return [at for at, line in self.lines if line.startswith(text)]

    def slowness(self, **settings: Any) -> Slowness:
        return Slowness.model_validate(settings).on(self.service)

    def drill(self, *faults: Fault, **settings: Any) -> Drill:
        """Make a drill of 20 transactions a second that expects the alert `Slow`, unless `settings` say otherwise."""
        values = {
            "drill": "slow-service",
            "load": {"rate": 20},
            "baseline": "10s",
            "expect": [{"alert": "Slow", "within": "30s", "receiver": "pager"}],
        }
        drill = Drill.model_validate(values | settings)
        return drill.model_copy(update={"faults": list(faults)})

    def settings(self) -> AgentConfig:
        """Return the configuration of an agent."""
        server = {"url": "http://127.0.0.1:1"}
        values = {
            "probe": {"kind": "tcp", "url": "tcp://127.0.0.1:1"},
            "prometheus": server,
            "alertmanager": server,
            "toxiproxy": server,
            "listen": "127.0.0.1:0",
            "ledger": self.folder / "ledger",
        }
        return AgentConfig.model_validate(values | self.config)

    @asynccontextmanager
    async def site(self) -> AsyncIterator[RecordedSite]:
        """Open a site, and run the monitoring for the length of the block."""
        dependencies = Dependencies(
            Clocks(unix_time, self.steady),
            lambda _: nullcontext(self.service),
            lambda *_: nullcontext(),
            self.folder,
            lambda wall, _: nullcontext(MachineWatch(wall, counters, 1.0)),
        )
        settings = self.settings()
        alertmanager = None if settings.alertmanager is None else self.alertmanager
        site = RecordedSite(settings, lambda _: None, self.prometheus, alertmanager, dependencies)
        working = asyncio.ensure_future(self._work(site))
        try:
            async with site:
                yield site
        finally:
            working.cancel()

    async def _work(self, site: Site) -> None:
        """Evaluate at each full second and a quarter, and deliver each notification at its instant."""
        delivered, step = 0, math.ceil(loop_time() / _STEP) * _STEP
        while True:
            step += _STEP_AWAY if self.prometheus.is_away else _STEP
            await asyncio.sleep(step - loop_time())
            posts = [self.prometheus.evaluate()] if step % 1 == _EVALUATED_AT else []
            self.alertmanager.engine.run(posts, _millis(unix_time()))
            for notification in self.alertmanager.engine.notifications[delivered:]:
                site.inbox.receive(notification.receiver, _webhook(notification))
            delivered = len(self.alertmanager.engine.notifications)


def _webhook(notification: simulated.Notification) -> dict[str, Any]:
    def text(at: int | None) -> str:
        return "0001-01-01T00:00:00Z" if at is None else datetime.fromtimestamp(at / 1000, UTC).isoformat()

    return {
        "alerts": [
            {
                "status": alert.status,
                "labels": dict(alert.labels),
                "startsAt": text(alert.starts_at),
                "endsAt": text(alert.ends_at),
            }
            for alert in notification.alerts
        ]
    }


def instants(recording: Recording) -> dict[str, list[tuple[float, float]]]:
    """Return when each phase and each fault began and ended, in seconds of the loop."""
    found: dict[str, list[tuple[float, float]]] = {}
    for phase in recording.phases:
        found.setdefault(phase.phase, []).append((since_start(phase.started_at), since_start(phase.ended_at)))
    for fault in recording.faults:
        found.setdefault(fault.target, []).append((since_start(fault.injected_at), since_start(fault.healed_at)))
    return found
