"""How the expected alerts of a running drill stand: what was seen of each, beside what its rule and the drill allow.

A window is what the rule predicts from the instant at which the alert became pending. Only an alert that was seen to
fire is inside of it or outside; whether it was notified and over in time is left to the verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from alertdrill.agent.config.drill import Expectation
from alertdrill.agent.drilling.changes import AlertChange
from alertdrill.agent.drilling.site import RunningDrill
from alertdrill.agent.recording.records import NotificationRecord, RuleRecord
from alertdrill.agent.rules.labels import has
from alertdrill.agent.rules.timing import in_whole_evaluations
from alertdrill.units.duration import format_duration, format_seconds

_ROUNDING_SECONDS = 0.002
# Two evaluations closer together than this many intervals have no other one between them.
_NEXT_INTERVALS = 1.5


@dataclass(frozen=True)
class Awaited:
    """An alert that a running drill expects, as text: its state, what was observed, and what is lawful.

    `is_lawful` is None as long as it was not seen to fire, and where the looks were too far apart to tell.
    """

    alert: str
    state: str
    observed: str
    lawful: str
    is_lawful: bool | None = None

    @property
    def mark(self) -> str:
        """The sign of its state, so that colour is not needed."""
        if self.is_lawful is not None:
            return "✓" if self.is_lawful else "✗"
        return "…" if self.state == "pending" else "·"

    @property
    def tone(self) -> str:
        """The CSS class of its state."""
        if self.is_lawful is not None:
            return "good" if self.is_lawful else "bad"
        return "unsure" if self.state == "pending" else "soft"


@dataclass(frozen=True)
class _Window:
    """When an alert of a rule may fire; `due` is when its `for` is over, `deadline` the drill's own limit."""

    due: float
    rule: RuleRecord
    fault_at: float
    deadline: float

    @property
    def latest(self) -> float:
        return min(self.due + self.rule.interval_seconds, self.deadline)

    def __str__(self) -> str:
        soonest, deadline = _clock(self.due), _clock(self.deadline)
        if self.due > self.deadline:
            return f"never: its rule fires it at {soonest} at the soonest, and the drill allows until {deadline}"
        every = format_seconds(self.rule.interval_seconds)
        why = f"for {format_seconds(self.rule.for_seconds)}, an evaluation every {every}"
        return f"from {soonest} to {_clock(self.latest)} ({why})"

    def has(self, firing: AlertChange) -> bool | None:
        """Return whether an alert fired inside; None if other evaluations, which nobody saw, may have been before."""
        is_early = firing.at < max(self.due - _ROUNDING_SECONDS, self.fault_at)
        is_late = firing.at > self.deadline or (firing.before is not None and firing.before >= self.due)
        if is_early or is_late:
            return False
        return True if _is_exact(firing, self.rule.interval_seconds) else None


def awaited(running: RunningDrill) -> list[Awaited]:
    """List the alerts that a running drill expects."""
    progress = running.progress
    changes, rules = progress.observer.changes.seen, progress.observer.rules
    return [standing(one, progress.broken_at, changes, rules, running.notifications) for one in progress.drill.expect]


def standing(
    one: Expectation,
    broken_at: float | None,
    changes: Iterable[AlertChange],
    rules: Iterable[RuleRecord],
    notifications: Iterable[NotificationRecord] = (),
) -> Awaited:
    """Return the state of an expected alert; `broken_at` is when the first fault was in force (Unix seconds).

    Of several alerts with its labels, the first one that fires counts, as for the drill's `within`.
    """
    wanted = {"alertname": one.alert} | one.labels
    own = [change for change in changes if has(change.labels, wanted)]
    told = [note for note in notifications if has(note.labels, wanted) and one.receiver in {None, note.receiver}]
    newest = {tuple(sorted(change.labels.items())): change for change in own}.values()
    fired = [change for change in own if change.state == "firing"]
    state = _state(newest, has_fired=bool(fired))
    if not fired and state == "inactive":
        return Awaited(one.alert, state, "—", _allowed(one, broken_at))
    first = min(fired or (change for change in newest if change.state == "pending"), key=lambda change: change.at)
    of_name = [rule for rule in rules if rule.alert == one.alert]
    observed = ", ".join(_observed(first, own, told, of_name))
    if broken_at is None:
        return Awaited(one.alert, state, observed, _allowed(one, None), False if fired else None)
    deadline = broken_at + one.within.total_seconds()
    windows = [_Window(first.active_at + _wait(rule), rule, broken_at, deadline) for rule in of_name]
    found = [window.has(first) for window in windows] if fired else []
    # Several rules may make alerts of one name: it is enough that one of them may have made this one.
    is_lawful = True if True in found else None if None in found or not found else False
    lawful = " or ".join(dict.fromkeys(map(str, windows))) or _allowed(one, broken_at)
    return Awaited(one.alert, state, observed, lawful, is_lawful)


def _state(newest: Iterable[AlertChange], *, has_fired: bool) -> str:
    states = {change.state for change in newest}
    if found := states & {"firing", "pending"}:
        return min(found)
    return "resolved" if has_fired else "inactive"


def _wait(rule: RuleRecord) -> float:
    return in_whole_evaluations(rule.for_seconds, rule.interval_seconds)


def _allowed(one: Expectation, broken_at: float | None) -> str:
    """Return when an alert may fire while no rule says more."""
    within = f"within {format_duration(one.within)} of the fault"
    if broken_at is None:
        return f"only {within}"
    return f"from {_clock(broken_at)} to {_clock(broken_at + one.within.total_seconds())} ({within})"


def _observed(
    first: AlertChange, own: Iterable[AlertChange], told: Sequence[NotificationRecord], rules: Iterable[RuleRecord]
) -> Iterator[str]:
    """Yield what was seen of an alert, in order; of its end only the newest one."""
    interval = min((rule.interval_seconds for rule in rules), default=0.0)
    yield f"pending since {_clock(first.active_at)}"
    if first.state != "firing":
        return
    yield f"firing {_when(first, interval)}"
    # What is received later may be of an alert that fired before.
    note = next((one for one in told if one.status == "firing" and one.starts_at >= first.active_at), None)
    if note is not None:
        yield f"{note.receiver} notified at {_clock(note.received_at)}"
    ends = [one for one in own if one.labels == first.labels and one.at > first.at]
    if ends and ends[-1].state == "inactive":
        yield f"resolved {_when(ends[-1], interval)}"


def _when(change: AlertChange, interval_seconds: float) -> str:
    if _is_exact(change, interval_seconds):
        return f"at {_clock(change.at)}"
    return f"by {_clock(change.at)}" + (f", after {_clock(change.before)}" if change.before is not None else "")


def _is_exact(change: AlertChange, interval_seconds: float) -> bool:
    return change.before is not None and change.at - change.before < _NEXT_INTERVALS * interval_seconds


def _clock(instant: float) -> str:
    """Format Unix seconds as a time of day in UTC, to a tenth: with a time scale, evaluations are that close."""
    at = datetime.fromtimestamp(round(instant, 1), UTC)
    return f"{at:%H:%M:%S}.{at.microsecond // 100_000}"
