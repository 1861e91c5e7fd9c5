"""Prometheus' alert state machine, followed evaluation by evaluation beside what was observed.

An alert whose condition holds is pending from that evaluation (activeAt) and firing from the first one at which
it has been so for as long as `for`. One evaluation without the condition ends it; a firing one goes on for
`keep_firing_for`. Source: rules/alerting.go of Prometheus, AlertingRule.Eval.

Where the record leaves open what an evaluation saw, or whether it took place, every lawful course is followed, and
what was observed decides between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.verdict.evaluations import Tick

Status = Literal["inactive", "pending", "firing"]
_ORDER: dict[Status, int] = {"inactive": 0, "pending": 1, "firing": 2}
ROUNDING_SECONDS = 0.002
"""Prometheus rounds the instants that it stores to milliseconds; it compares `for` in nanoseconds."""


@dataclass(frozen=True)
class State:
    """Where one alert stands: since when it is active, and since when it fires without its condition."""

    status: Status = "inactive"
    active_at: float = 0.0
    keep_since: float | None = None


@dataclass(frozen=True)
class Breach:
    """An evaluation after which the alert was not in any state that it could be in by the rule."""

    at: float
    lawful: frozenset[Status]
    observed: Status

    @property
    def is_early(self) -> bool:
        """Tell whether the alert was ahead of the rule, rather than behind it."""
        return _ORDER[self.observed] > max(_ORDER[status] for status in self.lawful)


def step(state: State, at: float, rule: RuleRecord, *, holds: bool) -> State:
    """Evaluate once."""
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
    ticks: Iterable[Tick], observed: Mapping[float, Status], rule: RuleRecord, starts: Iterable[State] = (State(),)
) -> list[Breach]:
    """List every evaluation whose observed state no lawful course leads to; `observed` is by `Tick.at`.

    `starts` are the states in which the alert may have been before. After a breach the observed state is taken as it
    is.
    """
    states, breaches = set(starts), list[Breach]()
    for tick in ticks:
        status = observed.get(tick.at, "inactive")
        courses = {course for before in states for course in _courses(before, tick, rule)}
        agreeing = {after for after, shows in courses if shows == status}
        if not agreeing:
            breaches.append(Breach(tick.at, frozenset(shows for _, shows in courses), status))
            agreeing = {_taken_as_it_is(status, tick.at, states)}
        states = agreeing
    return breaches


def _courses(state: State, tick: Tick, rule: RuleRecord) -> list[tuple[State, Status]]:
    """List the lawful states after an evaluation, each with what the record then shows."""
    seen = (True, False) if tick.holds is None else (tick.holds,)
    after = [step(state, tick.at, rule, holds=holds) for holds in seen]
    courses = [(state, state.status) for state in after]
    # A skipped evaluation changes nothing, and writes no sample.
    return courses if tick.happened else [*courses, (state, "inactive")]


def _taken_as_it_is(status: Status, at: float, states: Iterable[State]) -> State:
    active = [state.active_at for state in states if state.status != "inactive"]
    return State(status, min(active, default=at)) if status != "inactive" else State()
