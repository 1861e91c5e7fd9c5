"""`alertdrill schedule`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from alertdrill.agent.commands.options import ConfigOption, NoColor, command, open_console
from alertdrill.agent.commands.running import explained

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from rich.table import Table

    from alertdrill.agent.config.agent import AgentConfig
    from alertdrill.agent.schedule.choice import EarlierDrills, Planned


@command("alertdrill schedule --days 14", "alertdrill schedule --config agent.yml --days 60 --json")
def schedule(
    config: ConfigOption = None,
    days: Annotated[int, typer.Option(help="How far to look ahead.", min=1, max=400)] = 14,
    json: Annotated[bool, typer.Option("--json", help="Print the occurrences as JSON.")] = False,
    no_color: NoColor = False,
) -> None:
    """Show every coming drill of the schedule, and why one will be skipped.

    Times are in UTC and in the schedule's zone. Which drills come first rests on what was proven so far.
    """
    from alertdrill.agent import on_lab
    from alertdrill.agent.config.agent import read_agent_config
    from alertdrill.agent.config.calendars import calendars_of
    from alertdrill.agent.config.daemon import scheduled_drills
    from alertdrill.agent.errors import ConfigError
    from alertdrill.agent.schedule.choice import planned
    from alertdrill.agent.schedule.journal import Journal
    from alertdrill.agent.schedule.occurrences import Timetable

    with explained():
        path = on_lab.configuration(config)
        agent = read_agent_config(path)
        if agent.schedule is None:
            raise ConfigError(f"{path}: has no `schedule`, expected one with entries")
        journal, now = Journal(agent.recordings), datetime.now(UTC)
        own = (calendars_of(agent.schedule), agent.guards.time_problem)
        timetable = Timetable(agent.schedule, *own, journal.pause, journal.blackouts(now))
        drills = scheduled_drills(agent.schedule)
        remembered = _memory(agent)
    rows = list(planned(timetable, drills, remembered, agent.freshness, now, now + timedelta(days=days)))
    if json:
        typer.echo(_as_json(rows, timetable.zone), nl=False)
        return
    console = open_console(no_color=no_color)
    console.print(_as_table(rows, timetable.zone))
    console.print(f"{len(rows)} occurrence(s) within {days} days, {sum(row.skip is not None for row in rows)} skipped")


def _memory(agent: AgentConfig) -> EarlierDrills:
    """Return what the history knows; without one, or when it cannot be read, nothing was ever proven."""
    from alertdrill.agent.errors import ConfigError
    from alertdrill.agent.history.connection import HistoryUnavailable
    from alertdrill.agent.history.database import opened
    from alertdrill.agent.history.index import memory
    from alertdrill.agent.schedule.choice import EarlierDrills

    if agent.history.server is None and not agent.history.file(agent.recordings).exists():
        return EarlierDrills()
    try:
        with opened(agent.history, agent.recordings) as database:
            return memory(database, agent.time_scale)
    except (ConfigError, HistoryUnavailable) as error:
        typer.echo(f"alertdrill: what was proven is not known: {error}", err=True)
        return EarlierDrills()


def _as_table(rows: Sequence[Planned], zone: ZoneInfo) -> Table:
    """Render a row for each occurrence, with its start in UTC and in the time zone."""
    from rich.table import Table
    from rich.text import Text

    table = Table("UTC", str(zone), "entry", "drills", box=None, pad_edge=False)
    for row in rows:
        one = row.occurrence
        will = Text(", ".join(row.drills)) if row.skip is None else Text(_skipped(row), style="yellow")
        for note in row.notes:
            will.append(f"\n{note}", style="dim")
        local = one.starts_at.astimezone(zone)
        table.add_row(f"{one.starts_at:%Y-%m-%d %H:%M}", f"{local:%a %Y-%m-%d %H:%M %Z}", one.entry.name, will)
    return table


def _skipped(row: Planned) -> str:
    return "" if row.skip is None else f"skipped ({row.skip.reason}): {row.skip.why}"


def _as_json(rows: Sequence[Planned], zone: ZoneInfo) -> str:
    """Render a list: entry, instant (UTC, of the expression), starts_at (UTC), local, drills, skipped, notes.

    `skipped` is null, or has the reason in one word and why.
    """
    import json

    return json.dumps([_values(row, zone) for row in rows], indent=2, ensure_ascii=False) + "\n"


def _values(row: Planned, zone: ZoneInfo) -> dict[str, object]:
    from alertdrill.units.text import utc_text

    one, skip = row.occurrence, row.skip
    return {
        "entry": one.entry.name,
        "instant": utc_text(one.instant),
        "starts_at": utc_text(one.starts_at),
        "local": one.starts_at.astimezone(zone).isoformat(),
        "drills": list(row.drills),
        "skipped": None if skip is None else {"reason": skip.reason, "why": skip.why},
        "notes": list(row.notes),
    }
