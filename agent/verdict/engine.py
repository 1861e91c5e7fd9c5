"""Prometheus' alert state machine, followed evaluation by evaluation beside the observed states.

An alert whose condition holds is pending from that evaluation (activeAt), and firing from the first evaluation at
which it has been active for as long as `for`. One evaluation without the condition ends it; a firing alert goes on
for `keep_firing_for`. Source: rules/alerting.go of Prometheus, AlertingRule.Eval.

Where the recording leaves open the result of an evaluation, or whether it took place, every lawful course is
followed, and the observed states decide between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.verdict.evaluations import Evaluation

Status = Literal["inactive", "pending", "firing"]
_ORDER: dict[Status, int] = {"inactive": 0, "pending": 1, "firing": 2}
ROUNDING_SECONDS = 0.002
"""Prometheus rounds the instants that it stores to milliseconds; it compares `for` in nanoseconds."""


@dataclass(frozen=True)
class State:
    """The state of one alert: since when it is active, and since when it fires without its condition."""

    status: Status = "inactive"
    active_at: float = 0.0
    keep_since: float | None = None


@dataclass(frozen=True)
class Breach:
    """An evaluation after which the alert was in none of the states that its rule allows."""

    at: float
    lawful: frozenset[Status]
    observed: Status

    @property
    def is_early(self) -> bool:
        """Return whether the alert was ahead of its rule, rather than behind it."""
        return _ORDER[self.observed] > max(_ORDER[status] for status in self.lawful)


def step(state: State, at: float, rule: RuleRecord, *, holds: bool) -> State:
    """Return the state after one evaluation."""
    if not holds:
        return _without_condition(state, at, rule)
    active_at = at if state.status == "inactive" else state.active_at
    is_firing = state.status == "firing" or at - active_at >= rule.for_seconds - ROUNDING_SECONDS
    return State("firing" if is_firing else "pending", active_at)


def _without_condition(state: State, at: float, rule: RuleRecord) -> State:
    if state.status != "firing" or rule.keep_firing_for_seconds <= 0:
        return State()
    since = at if state.keep_since is None else state.keep_since
    if at - since < rule.keep_firing_for_seconds - ROUNDING_SECONDS:
        return State("firing", state.active_at, since)
    return State()


def follow(
    evaluations: Iterable[Evaluation],
    observed: Mapping[float, Status],
    rule: RuleRecord,
    starts: Iterable[State] = (State(),),
) -> list[Breach]:
    """List every evaluation whose observed state no lawful course leads to.

    `observed` is keyed by `Evaluation.at`. `starts` are the states in which the alert may have been before. After a
    breach the observed state is the new start.
    """
    states, breaches = set(starts), list[Breach]()
    for one in evaluations:
        status = observed.get(one.at, "inactive")
        courses = {course for before in states for course in _courses(before, one, rule)}
        agreeing = {after for after, shown in courses if shown == status}
        if not agreeing:
            breaches.append(Breach(one.at, frozenset(shown for _, shown in courses), status))
            agreeing = {_restart(status, one.at, states)}
        states = agreeing
    return breaches


def _courses(state: State, evaluation: Evaluation, rule: RuleRecord) -> list[tuple[State, Status]]:
    """List the lawful states after an evaluation, each with the status that the recording then shows."""
    results = (True, False) if evaluation.holds is None else (evaluation.holds,)
    after = [step(state, evaluation.at, rule, holds=holds) for holds in results]
    courses = [(state, state.status) for state in after]
    # A skipped evaluation changes nothing, and writes no sample.
    return courses if evaluation.took_place else [*courses, (state, "inactive")]


def _restart(status: Status, at: float, states: Iterable[State]) -> State:
    active = [state.active_at for state in states if state.status != "inactive"]
    return State(status, min(active, default=at)) if status != "inactive" else State()
