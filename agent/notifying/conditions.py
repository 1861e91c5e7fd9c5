"""The state of all that somebody may want to know, and the changes against what was told last.

Nothing is told when it happens: the present state is compared with the state that was told last. So nothing is lost
while the agent does not run, and nothing is told twice after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from alertdrill.agent.config.daemon import Freshness
from alertdrill.agent.config.notify import Kind
from alertdrill.agent.history.index import HistorySummary, Proof
from alertdrill.agent.notifying.message import StateChange
from alertdrill.units.duration import format_duration
from alertdrill.units.text import one_line, some_of

GOOD = "good"
"""The state of a subject that is as it should be."""
# Each agent starts, a watchdog undoes what a killed process left, and a busy machine is late: none of this is told.
_HOLDS_SECONDS: Mapping[Kind, float] = {"unhealed": 20.0, "load": 60.0, "schedule": 60.0, "reload": 10.0}


@dataclass(frozen=True)
class Condition:
    """The present state of a subject, and a sentence about it; a problem must hold for its time before it is told."""

    kind: Kind
    subject: str
    state: str
    text: str
    details: dict[str, str] = field(default_factory=dict)

    @property
    def is_problem(self) -> bool:
        """Whether somebody should do something."""
        return self.state != GOOD

    @property
    def holds_seconds(self) -> float:
        """How long it must be the same before it is told."""
        return _HOLDS_SECONDS.get(self.kind, 0.0)


def of_history(
    standing: HistorySummary, freshness: Freshness, now: float, inconclusive_after: int
) -> Iterator[Condition]:
    """Yield the conditions of alerts and drills; `now` is in Unix seconds."""
    for one in standing.latest:
        subject = f"alert {one.alert} in drill {one.drill}"
        details = {"alert": one.alert, "drill": one.drill, "run": one.run}
        if one.outcome == "passed":
            yield Condition("failed", subject, GOOD, f"{subject} is proven", details)
        else:
            text = f"{subject} is {one.outcome.replace('_', ' ')}: {one_line(one.reason)}"
            yield Condition("failed", subject, one.outcome, text, details)
    for drill, alerts in standing.unexpected:
        subject, details = f"unexpected alerts in drill {drill}", {"drill": drill}
        if alerts:
            text = f"{subject}: {some_of(alerts)}"
            yield Condition("failed", subject, f"unexpected: {', '.join(alerts)}", text, details)
        else:
            yield Condition("failed", subject, GOOD, f"no {subject}", details)
    yield from _inconclusive(standing, inconclusive_after)
    yield from _stale(standing, freshness, now)


def _inconclusive(standing: HistorySummary, most: int) -> Iterator[Condition]:
    for drill, count in standing.inconclusive:
        subject, details = f"drill {drill}", {"drill": drill}
        if count >= most:
            text = f"{subject} was inconclusive {most} times or more in a row, so it proves nothing"
            yield Condition("inconclusive", subject, "inconclusive", text, details)
        elif count == 0:
            yield Condition("inconclusive", subject, GOOD, f"{subject} is conclusive", details)


def _stale(standing: HistorySummary, freshness: Freshness, now: float) -> Iterator[Condition]:
    for one in standing.proofs:
        limit = freshness.prove_within.get(one.severity)
        if limit is None:
            continue
        what = f"alert {one.alert}" + (f" of severity {one.severity}" if one.severity else "")
        details = {"alert": one.alert, "severity": one.severity}
        if one.proven_at is not None and now <= one.proven_at + limit.total_seconds():
            yield Condition("stale", f"proof of {what}", GOOD, f"{what} is proven recently enough", details)
        else:
            text = f"{what} {_why_stale(one)} within {format_duration(limit)}"
            yield Condition("stale", f"proof of {what}", "stale", text, details)


def _why_stale(one: Proof) -> str:
    if one.proven_at is not None:
        return "was not proven"
    if one.voided_at is not None:
        return "was not proven since its expression was changed, expected"
    return "was never proven, expected"


def of_part(kind: Kind, problem: str, well: str, state: str = "problem") -> Condition:
    """Make the condition of a part of the agent from its problem, which is empty when all is well."""
    return Condition(kind, kind, state if problem else GOOD, problem or well)


class Changes:
    """Finds what has to be told; `told` has the state that was told last, and its instant, by subject.

    A problem is told when it lasts, and its end when it has ended for as long. A subject that was never told of is good.
    """

    def __init__(self, told: Mapping[str, tuple[str, float]]) -> None:
        self.told = dict(told)
        self._since: dict[str, tuple[str, float]] = {}

    def found(self, conditions: Iterable[Condition], now: float, steady: float) -> list[StateChange]:
        """Return the changes, and count them as told; `now` is in Unix seconds, `steady` in those of another clock."""
        return [event for one in conditions if (event := self._changed(one, now, steady)) is not None]

    def _changed(self, one: Condition, now: float, steady: float) -> StateChange | None:
        if one.state == self.told.get(one.subject, (GOOD, 0.0))[0]:
            self._since.pop(one.subject, None)
            return None
        state, since = self._since.get(one.subject, ("", 0.0))
        if state != one.state:
            since = steady
            self._since[one.subject] = one.state, steady
        if steady - since < one.holds_seconds:
            return None
        del self._since[one.subject]
        self.told[one.subject] = one.state, now
        return StateChange(one.kind, one.subject, one.state, one.is_problem, one.text, now, one.details)
