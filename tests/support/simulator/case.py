"""A whole case from the service to the receiver, and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from simulator.alertmanager import Notification, Routing
from simulator.group import Evaluation, Flags, Group, GroupRun
from simulator.mutants import RIGHT, Engine
from simulator.rules import AlertingRule, Rule
from simulator.scrape import Restart, Target, scrape
from simulator.storage import Sample, Storage, Version, View
from simulator.values import NAME, Labels, Millis, Stretches


@dataclass(frozen=True)
class Life:
    """One alert from its start to its end, all as timestamps of evaluations.

    `active_at` is when it became pending (not always an evaluation, after a restart); `fired_at` is None if it never fired.
    `gone_at` is the first evaluation at which it was neither pending nor firing: for an alert that fired, the instant at
    which it resolved. None if it was still active at the end, or lost in a restart.
    """

    labels: Labels
    active_at: Millis
    fired_at: Millis | None
    gone_at: Millis | None


@dataclass(frozen=True)
class Truth:
    """The result of a case.

    `scraped`: the samples of every scraped series and of `up`, stale markers with them (value None), by the labels of
    the series; samples that are `written_at` after the case's end belong to it too.
    `evaluations`: of the rule, in order, with the condition's value as the engine saw it and as a later query does.
    `alerts`: the samples of the ALERTS series, by labels with `alertname` and `alertstate`, as a range query returns
    them; `for_state`: those of ALERTS_FOR_STATE, whose values are whole seconds.
    `lives`: every alert of the rule, in the order in which they began.
    `notifications`: every call to the receiver, in order.
    """

    scraped: dict[Labels, tuple[Sample, ...]]
    evaluations: tuple[Evaluation, ...]
    alerts: dict[Labels, tuple[Sample, ...]]
    for_state: dict[Labels, tuple[Sample, ...]]
    lives: tuple[Life, ...]
    notifications: tuple[Notification, ...]

    def fired(self) -> tuple[Life, ...]:
        """The alerts that fired."""
        return tuple(life for life in self.lives if life.fired_at is not None)


@dataclass(frozen=True)
class Case:
    """Everything that determines a Truth: there is no clock and no chance.

    Instants are milliseconds since the Unix epoch, durations milliseconds.
    `begins` and `ends` limit the case: the rule is evaluated within `[begins, ends]`, as if it had run for long, and
    targets are scraped from `scraped_since` on (if None, from `begins`, with no earlier samples).
    `kind` is the kind of its rule; `fault` is when the fault is in force, in the targets that have it.
    A restart is one of Prometheus; queries follow the semantics of `version`.
    """

    kind: str
    begins: Millis
    ends: Millis
    fault: Stretches
    targets: tuple[Target, ...]
    rule: Rule
    group: Group
    routing: Routing = field(default_factory=Routing)
    flags: Flags = field(default_factory=Flags)
    version: Version = Version.V2
    lookback: Millis = 300_000
    restart: Restart | None = None
    scraped_since: Millis | None = None

    def run(self, engine: Engine = RIGHT) -> Truth:
        """Run it with the right engine or a wrong one."""
        since = self.begins if self.scraped_since is None else self.scraped_since
        storage = _scraped(self.targets, since, self.ends, self.restart).copy()
        scraped = _samples(storage)
        view = View(storage, self.version, self.lookback)
        group = engine.group(self.group)
        run = GroupRun(group, self.rule, self.flags, storage, view, engine.machine, self.restart)
        run.run(self.begins, self.ends)
        alertmanager = engine.alertmanager(engine.routing(self.routing))
        alertmanager.run(run.posts, self.ends)
        return Truth(
            scraped=scraped,
            evaluations=tuple(run.evaluations),
            alerts=_samples(storage, "ALERTS"),
            for_state=_samples(storage, "ALERTS_FOR_STATE"),
            lives=tuple(life for machine in run.made for life in _lives(machine)),
            notifications=tuple(alertmanager.notifications),
        )


@lru_cache(maxsize=1)
def _scraped(targets: tuple[Target, ...], begin: Millis, end: Millis, restart: Restart | None) -> Storage:
    """Scrape all targets; cached, because a case is run with one engine after the other."""
    storage = Storage()
    for target in targets:
        scrape(target, storage, begin, end, restart)
    return storage


def _samples(storage: Storage, name: str | None = None) -> dict[Labels, tuple[Sample, ...]]:
    """All series, or those of one metric without its name."""
    found = {}
    for labels, series in storage.series.items():
        if name is None:
            found[labels] = series.samples()
        elif (NAME, name) in labels:
            found[tuple(pair for pair in labels if pair[0] != NAME)] = series.samples()
    return found


def _lives(machine: AlertingRule) -> list[Life]:
    return [Life(alert.labels, alert.active_at, alert.fired_at, alert.gone_at) for alert in machine.history]
