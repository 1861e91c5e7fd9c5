"""When the expected alerts of a drill changed their states, as far as the looks at Prometheus tell while it runs.

The verdict rests on the samples that Prometheus stored, which are exact; these are for whoever looks meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from alertdrill.agent.monitoring.rules import ActiveAlert, AlertingRule, RuleGroup


@dataclass(frozen=True)
class AlertChange:
    """A new state of an alert, which is pending, firing or inactive, active since `active_at` (all in Unix seconds).

    It was found by the evaluation that began at `at`, or by one before that which no look saw, after that at `before`.
    `before` is None at the first look. Evaluations are told a few milliseconds late.
    """

    labels: dict[str, str]
    state: str
    active_at: float
    at: float
    before: float | None


class AlertChanges:
    """The changes of some alerts, by name, in the order in which they were seen."""

    def __init__(self, alerts: Iterable[str]) -> None:
        self._watched = frozenset(alerts)
        self._known: dict[tuple[str, str, int], tuple[float, dict[tuple[tuple[str, str], ...], ActiveAlert]]] = {}
        self.seen: list[AlertChange] = []

    def note(self, groups: Iterable[RuleGroup]) -> None:
        """Compare an answer of Prometheus with the one before."""
        for group in groups:
            for number, rule in enumerate(group.rules):
                at = rule.last_evaluation_at or group.last_evaluation_at
                if rule.name in self._watched and at is not None:
                    self._note((group.name, group.file, number), rule, at)

    def _note(self, key: tuple[str, str, int], rule: AlertingRule, at: float) -> None:
        before, known = self._known.get(key, (None, {}))
        # Prometheus shows what an evaluation found a moment before it shows when that was.
        if before is not None and at <= before:
            return
        active = {tuple(sorted(one.labels.items())): one for one in rule.alerts}
        for labels, one in active.items():
            old = known.get(labels)
            if old is None or (old.state, old.active_at) != (one.state, one.active_at):
                self.seen.append(AlertChange(one.labels, one.state, one.active_at, at, before))
        for labels in known.keys() - active.keys():
            over = known[labels]
            self.seen.append(AlertChange(over.labels, "inactive", over.active_at, at, before))
        self._known[key] = at, active
