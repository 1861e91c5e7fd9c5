"""A group with one rule: when it is evaluated, what it reads and writes, and the effect of a restart.

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
    """Evaluated at every instant `ts = k * interval + offset`, the timestamp of that evaluation.

    `lag` is how long after `ts` it reads the storage, and writes.
    `query_offset` is how long before `ts` the expression is evaluated.
    `skipped` are timestamps that are never evaluated, `failing` those whose evaluation ends in an error.
    """

    interval: Millis
    offset: Millis = 0
    lag: Millis = 0
    query_offset: Millis = 0
    skipped: frozenset[Millis] = frozenset()
    failing: frozenset[Millis] = frozenset()

    def evaluation_instants(self, begin: Millis, end: Millis) -> range:
        """Return the timestamps of its evaluations within `[begin, end]`."""
        first = begin + (self.offset - begin) % self.interval
        return range(first, end + 1, self.interval)


@dataclass(frozen=True)
class Flags:
    """Prometheus' own settings, with its defaults: when alerts are sent again, and what a restart restores."""

    resend_delay: Millis = 60_000
    for_grace_period: Millis = 600_000
    for_outage_tolerance: Millis = 3_600_000


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of the rule.

    `at` is its timestamp, `ran_at` when it read the storage, `asked_at` the instant of its query.
    `seen` is the value of the comparison's left side (or of `absent(…)`) as the engine saw it, `later` the same for a
    later query; `held` and `held_later` are the labels of the series for which the condition was true.
    A failed evaluation reads nothing and changes nothing.
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
    """One group that works on a storage; `evaluations` and `posts` are its results.

    `made` has the state machines: one, and another for each restart.
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
        """Evaluate at every evaluation instant of `[begin, end]`."""
        self._start(restored=True)
        for at in self.group.evaluation_instants(begin, end):
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
        self._evaluated = 0
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
        self._evaluated += 1
        if not self._restored and self._evaluated == 2:
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
        """Move the start of each pending alert to where it was before the restart, or by a lawful distance."""
        self._restored = True
        if self.rule.hold < self.flags.for_grace_period:
            return
        for alert in self.made[-1].active.values():
            series = self.storage.series.get(merged(alert.labels, labels_of(**{NAME: "ALERTS_FOR_STATE"})))
            last = series.samples()[-1] if series else None
            if last is None or last.value is None or last.at < now - self.flags.for_outage_tolerance:
                continue
            # Both are truncated to whole seconds.
            down_at, active_at = last.at // 1000 * 1000, int(last.value) * 1000
            remaining = self.rule.hold - (down_at - active_at)
            if 0 < remaining < self.flags.for_grace_period:
                active_at = now + self.flags.for_grace_period - self.rule.hold
            elif remaining > 0:
                active_at += now - down_at
            alert.active_at = active_at


def alert_series(alert: Alert) -> Vector:
    """Return the series that Prometheus writes of an alert; the second one's value is in whole seconds."""
    state = series_of("ALERTS", alertstate=alert.state.value)
    return {
        merged(alert.labels, state): 1.0,
        merged(alert.labels, series_of("ALERTS_FOR_STATE")): alert.active_at // 1000,
    }
