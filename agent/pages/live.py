"""What a running drill still waits for: each expected alert with the instants that its own rule, and the drill, allow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from alertdrill.agent.config.drill import Expectation
from alertdrill.agent.drilling.progress import Progress
from alertdrill.agent.recording.records import ActiveRecord, RuleRecord
from alertdrill.agent.rules.labels import has
from alertdrill.agent.rules.timing import in_whole_evaluations
from alertdrill.units.duration import format_duration, format_seconds


@dataclass(frozen=True)
class Awaited:
    """An alert that a running drill expects: its state, since when, and what is lawful from here on, as text."""

    alert: str
    state: str
    since: str
    lawful: str

    @property
    def mark(self) -> str:
        """The sign of its state, so that colour is not needed."""
        return {"firing": "✓", "pending": "…"}.get(self.state, "·")

    @property
    def tone(self) -> str:
        """The CSS class of its state."""
        return {"firing": "good", "pending": "unsure"}.get(self.state, "soft")


def awaited(progress: Progress) -> list[Awaited]:
    """List the alerts that a running drill expects."""
    observer = progress.observer
    return [_awaited(one, progress.broken_at, observer.active, observer.rules) for one in progress.drill.expect]


def _awaited(
    one: Expectation, broken_at: float | None, active: Iterable[ActiveRecord], rules: Iterable[RuleRecord]
) -> Awaited:
    newest = max(_of(one, active), key=lambda record: (record.seen_at, record.state == "firing"), default=None)
    deadline = f"by {_clock(broken_at + one.within.total_seconds())} at the latest" if broken_at is not None else ""
    if newest is None:
        limit = f"within {format_duration(one.within)} of the fault"
        return Awaited(one.alert, "inactive", "—", f"must fire {limit}" + (f", {deadline}" if deadline else ""))
    fires = " or ".join(sorted({_fires(newest, rule) for rule in rules if rule.alert == one.alert}))
    ended = f"; {deadline}" if deadline and newest.state == "pending" else ""
    return Awaited(one.alert, newest.state, _clock(newest.active_at), f"{fires}{ended}")


def _of(one: Expectation, active: Iterable[ActiveRecord]) -> Iterator[ActiveRecord]:
    wanted = {"alertname": one.alert} | one.labels
    return (record for record in active if has(record.labels, wanted))


def _fires(record: ActiveRecord, rule: RuleRecord) -> str:
    """Say when an alert that is pending since an instant fires: at the first evaluation at which its `for` is over."""
    waits = in_whole_evaluations(rule.for_seconds, rule.interval_seconds)
    verb = "fired" if record.state == "firing" else "fires"
    return f"{verb} at {_clock(record.active_at + waits)} (for {format_seconds(rule.for_seconds)})"


def _clock(instant: float) -> str:
    return f"{datetime.fromtimestamp(instant, UTC):%H:%M:%S}"
