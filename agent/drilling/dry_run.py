"""The plan of a drill, in the order of its time line: every target is found, and nothing is broken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from alertdrill.agent.config.drill import Drill
from alertdrill.agent.report.words import settings_words
from alertdrill.chaos.fault import Fault
from alertdrill.chaos.injection import Injection
from alertdrill.units.duration import format_duration


def render(drill: Drill, planned: Sequence[tuple[Fault, Injection]]) -> RenderableType:
    """Draw the plan of a drill; durations are divided by the time scale of its servers."""
    # The targets are copied into the guards of agent.yml, so they are whole on a narrow terminal, too.
    table = Table("at", "lasts", "what", Column("target", overflow="fold"), Column("settings", overflow="fold"))
    table.add_row("0s", format_duration(drill.baseline), "baseline", "the load", f"{drill.load.rate:g}/s")
    for surge in drill.load.surges:
        table.add_row(
            format_duration(drill.baseline + surge.at),
            format_duration(surge.lasts) if isinstance(surge.lasts, timedelta) else _until_fired(drill),
            "surge",
            "the load",
            Text(surge.target),
        )
    for fault, injection in planned:
        table.add_row(
            format_duration(drill.baseline + fault.at),
            format_duration(fault.lasts) if isinstance(fault.lasts, timedelta) else _until_fired(drill),
            fault.kind,
            Text(injection.target),
            Text(_settings(fault)),
        )
    heading = Text(f"drill {drill.name} would do this; nothing was broken")
    return Group(heading, table, *(Text(line) for line in _expectations(drill)))


def _until_fired(drill: Drill) -> str:
    return f"until fired, at most {format_duration(drill.observe_for)}"


def _settings(fault: Fault) -> str:
    left_out = {"kind", "at", "lasts", "repeat"}
    values = fault.model_dump(mode="json", exclude=left_out, exclude_none=True, exclude_unset=True)
    return ", ".join(f"{name} {value}" for name, value in settings_words(values).items())


def _expectations(drill: Drill) -> list[str]:
    if not drill.expect:
        return [f"expects no alert within {format_duration(drill.observe)} of the baseline"]
    return [
        f"expects {one.alert} within {format_duration(one.within)} of the first fault"
        + (f", and {one.receiver} notified" if one.receiver else "")
        for one in drill.expect
    ]
