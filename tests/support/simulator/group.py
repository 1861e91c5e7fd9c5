"""A group of one rule: when it is evaluated, what it then sees and writes, and what a restart makes of it.

Semantics: Prometheus' rules/group.go.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from simulator.rules import Alert, AlertingRule, Rule, Sent
from simulator.scrape import Restart
from simulator.storage import Sample, Storage, View
from simulator.values import NAME, Labels, Millis, Vector, labels_of, merged, series_of


@dataclass(frozen=True)
class Group:
    """Evaluated at every instant `ts = k * interval + offset`, which each evaluation has as its timestamp.

    `lag` is how long after `ts` it looks at the storage, and writes.
    `query_offset` is how far back from `ts` the expression is evaluated.
    `skipped` are timestamps that are never evaluated, `failing` those whose evaluation ends in an error.
    """

    interval: Millis
    offset: Millis = 0
    lag: Millis = 0
    query_offset: Millis = 0
    skipped: frozenset[Millis] = frozenset()
    failing: frozenset[Millis] = frozenset()

    def ticks(self, begin: Millis, end: Millis) -> range:
        """The timestamps of its grid within `[begin, end]`."""
        first = begin + (self.offset - begin) % self.interval
        return range(first, end + 1, self.interval)


@dataclass(frozen=True)
class Flags:
    """Prometheus' own, with its defaults: how often alerts are sent again, and what a restart restores."""

    resend_delay: Millis = 60_000
    for_grace_period: Millis = 600_000
    for_outage_tolerance: Millis = 3_600_000


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of the rule.

    `at` is its timestamp, `ran_at` when it looked, `asked_at` the instant that it asked about.
    `seen` is the value of the comparison's left side (of `absent(…)` itself) as the engine saw it, `later` the same for
    a query made afterwards; `held` and `held_later` are the labels of the series for which the condition was true.
    A failed evaluation saw nothing, and changed nothing.
    """

    at: Millis
    ran_at: Millis
    asked_at: Millis
    seen: Vector
    later: Vector
    held: frozenset[Labels]
    held_later: frozenset[Labels]
    failed: bool = False


@dataclass(frozen=True)
class Post:
    """Alerts on their way to Alertmanager."""

    sent_at: Millis
    alerts: tuple[Sent, ...]


@dataclass
class GroupRun:
    """One group at work on a storage; `evaluations` and `posts` are what came of it.

    `made` are the state machines: one, and another for each restart.
    """

    group: Group
    rule: Rule
    flags: Flags
    storage: Storage
    view: View
    machine: type[AlertingRule] = AlertingRule
    restart: Restart | None = None
    evaluations: list[Evaluation] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    made: list[AlertingRule] = field(default_factory=list)

    def run(self, begin: Millis, end: Millis) -> None:
        """Evaluate at every tick of `[begin, end]`."""
        self._start(restored=True)
        for at in self.group.ticks(begin, end):
            ran_at = at + self.group.lag
            if self.restart and at <= self.restart.up_at and ran_at >= self.restart.down_at:
                continue
            if self.restart and at > self.restart.up_at and len(self.made) == 1:
                self._start(restored=False)
            if at not in self.group.skipped:
                self._tick(at, ran_at)

    def _start(self, *, restored: bool) -> None:
        self.made.append(self.machine(self.rule, self.group.interval))
        self._restored = restored
        self._ticks = 0
        self._written: set[Labels] = set()

    def _tick(self, at: Millis, ran_at: Millis) -> None:
        evaluation = self._look(at, ran_at)
        self.evaluations.append(evaluation)
        if not evaluation.failed:
            shown = self.made[-1].evaluate(at, evaluation.held)
            sent = self.made[-1].to_send(at, self.flags.resend_delay)
            if sent:
                self.posts.append(Post(ran_at, tuple(sent)))
            self._write(shown if self._restored else [], evaluation.asked_at, ran_at)
        self._ticks += 1
        if not self._restored and self._ticks == 2:
            self._restore(ran_at)

    def _look(self, at: Millis, ran_at: Millis) -> Evaluation:
        asked_at = at - self.group.query_offset
        failed = at in self.group.failing
        later, held_later = self._value(self.view, asked_at)
        seen, held = ({}, frozenset[Labels]()) if failed else self._value(replace(self.view, now=ran_at), asked_at)
        return Evaluation(at, ran_at, asked_at, seen, later, held, held_later, failed)

    def _value(self, view: View, at: Millis) -> tuple[Vector, frozenset[Labels]]:
        condition = self.rule.expression
        shown = condition.watched.evaluate(view, at)
        return shown, frozenset(labels for labels, value in shown.items() if condition.keeps(value))

    def _write(self, shown: list[Alert], at: Millis, ran_at: Millis) -> None:
        written = set()
        for alert in shown:
            for labels, value in alert_series(alert).items():
                self.storage.write(labels, Sample(at, value, ran_at))
                written.add(labels)
        for labels in self._written - written:
            self.storage.write(labels, Sample(at, None, ran_at))
        self._written = written

    def _restore(self, now: Millis) -> None:
        """Move the begin of each pending alert to where it was before the restart, or a lawful distance from it."""
        self._restored = True
        if self.rule.hold < self.flags.for_grace_period:
            return
        for alert in self.made[-1].active.values():
            series = self.storage.series.get(merged(alert.labels, labels_of(**{NAME: "ALERTS_FOR_STATE"})))
            last = series.samples()[-1] if series else None
            if last is None or last.value is None or last.at < now - self.flags.for_outage_tolerance:
                continue
            # Both are cut to whole seconds.
            down_at, active_at = last.at // 1000 * 1000, int(last.value) * 1000
            remaining = self.rule.hold - (down_at - active_at)
            if 0 < remaining < self.flags.for_grace_period:
                active_at = now + self.flags.for_grace_period - self.rule.hold
            elif remaining > 0:
                active_at += now - down_at
            alert.active_at = active_at


def alert_series(alert: Alert) -> Vector:
    """The series that Prometheus writes of an alert; the second one's value is in whole seconds."""
    state = series_of("ALERTS", alertstate=alert.state.value)
    return {
        merged(alert.labels, state): 1.0,
        merged(alert.labels, series_of("ALERTS_FOR_STATE")): alert.active_at // 1000,
    }
