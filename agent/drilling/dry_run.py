"""The plan of a drill, in the order of its time line: every target is found, and nothing is broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from alertdrill.agent.config.drill import SURGE, Drill, Surge
from alertdrill.agent.report.words import settings_words
from alertdrill.chaos.fault import Fault
from alertdrill.chaos.injection import Injection
from alertdrill.units.duration import format_duration

LOAD = "the load"
"""The target of the baseline and of surges."""


@dataclass(frozen=True)
class PlannedStep:
    """A surge or a fault of a plan; `at` counts from the end of the baseline."""

    at: timedelta
    lasts: str
    kind: str
    target: str
    settings: str


def render(drill: Drill, planned: Sequence[tuple[Fault, Injection]]) -> RenderableType:
    """Draw the plan of a drill; durations are divided by the time scale of its servers."""
    # The targets are copied into the guards of agent.yml, so they are whole on a narrow terminal, too.
    table = Table("at", "lasts", "what", Column("target", overflow="fold"), Column("settings", overflow="fold"))
    table.add_row("0s", format_duration(drill.baseline), "baseline", LOAD, f"{drill.load.rate:g}/s")
    for one in steps(drill, planned):
        table.add_row(
            format_duration(drill.baseline + one.at), one.lasts, one.kind, Text(one.target), Text(one.settings)
        )
    heading = Text(f"drill {drill.name} would do this; nothing was broken")
    return Group(heading, table, *(Text(line) for line in expectations(drill)))


def steps(drill: Drill, planned: Sequence[tuple[Fault, Injection]]) -> list[PlannedStep]:
    """List the surges and the faults of a drill in the order of its time line; a surge acts on the load."""
    surges = [PlannedStep(one.at, _lasts(drill, one), SURGE, LOAD, one.target) for one in drill.load.surges]
    faults = [
        PlannedStep(fault.at, _lasts(drill, fault), fault.kind, injection.target, _settings(fault))
        for fault, injection in planned
    ]
    return sorted([*surges, *faults], key=lambda one: one.at)


def _lasts(drill: Drill, one: Fault | Surge) -> str:
    if isinstance(one.lasts, timedelta):
        return format_duration(one.lasts)
    return f"until fired, at most {format_duration(drill.observe_for)}"


def _settings(fault: Fault) -> str:
    left_out = {"kind", "at", "lasts", "repeat"}
    values = fault.model_dump(mode="json", exclude=left_out, exclude_none=True, exclude_unset=True)
    return ", ".join(f"{name} {value}" for name, value in settings_words(values).items())


def expectations(drill: Drill) -> list[str]:
    """List what a drill expects: a sentence for each alert, with its receiver and its limit."""
    if not drill.expect:
        return [f"expects no alert within {format_duration(drill.observe)} of the baseline"]
    return [
        f"expects {one.alert} within {format_duration(one.within)} of the first fault"
        + (f", and {one.receiver} notified" if one.receiver else "")
        for one in drill.expect
    ]
