"""`alertdrill history`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alertdrill.agent.commands.options import (
    ConfigOption,
    NoColor,
    command,
    duration_of,
    fail,
    open_console,
    positive_duration_of,
)
from alertdrill.agent.commands.running import explained

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from alertdrill.agent.config.agent import AgentConfig
    from alertdrill.agent.history.connection import Database
    from alertdrill.agent.history.load import LoadPeriod


class HistoryAction(StrEnum):
    """What to do with the history."""

    RUNS = "runs"
    PROOFS = "proofs"
    OCCURRENCES = "occurrences"
    LOAD = "load"
    REBUILD = "rebuild"


_Action = Annotated[
    HistoryAction,
    typer.Argument(help="What to show, or `rebuild`: make the database again from the recordings.", metavar="WHAT"),
]
_Last = Annotated[int, typer.Option(help="How many of the newest to show; of the load, all.", min=1)]
_Since = Annotated[
    str | None,
    typer.Option(help="Only this last time, such as 7d; of the load, a day unless given.", metavar="DURATION"),
]
_Every = Annotated[
    str, typer.Option(help="The length of the periods of load, or `all` for a single one.", metavar="DURATION")
]
_Write = Annotated[
    Path | None,
    typer.Option(help="proofs: add those of all recordings to this file, for `alertdrill gate`.", metavar="FILE"),
]
_ALL = "all"
_ANY_LENGTH = 10**10


@command(
    "alertdrill history",
    "alertdrill history runs --since 7d --json",
    "alertdrill history proofs",
    "alertdrill history proofs --write proofs.json",
    "alertdrill history occurrences --last 100",
    "alertdrill history load --since 30d --every 1d",
    "alertdrill history rebuild --config agent.yml",
    note="WHAT is one of runs, proofs, occurrences, load and rebuild.",
)
def history(  # noqa: PLR0913, PLR0917 - one parameter for each option
    action: _Action = HistoryAction.RUNS,
    config: ConfigOption = None,
    last: _Last = 20,
    since: _Since = None,
    every: _Every = "1h",
    json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
    write: _Write = None,
    no_color: NoColor = False,
) -> None:
    """Show runs, proofs and the load over time, or make the database again.

    The database is an index of the recordings and of the journal of occurrences beside them.
    """
    from alertdrill.agent import on_lab
    from alertdrill.agent.config.agent import read_agent_config
    from alertdrill.agent.history.database import opened
    from alertdrill.agent.history.index import catch_up

    if write is not None and action is not HistoryAction.PROOFS:
        fail("--write is for `alertdrill history proofs`")
    with explained():
        wanted = _Wanted(last, time.time(), *_limits(since, every))
        agent, console = read_agent_config(on_lab.configuration(config)), open_console(no_color=no_color)
        if write is not None:
            _write_proofs(agent, write)
            return
        if action is HistoryAction.REBUILD:
            _rebuild(agent, console)
            return
        with opened(agent.history, agent.recordings) as database:
            for problem in catch_up(database, agent.recordings).problems:
                typer.echo(f"skipped: {problem}", err=True)
            shown = _SHOWN[action.value](database, wanted, agent)
    if json:
        typer.echo(_as_json(shown), nl=False)
    else:
        console.print(_as_table(shown))


def _limits(since: str | None, every: str) -> tuple[float | None, int]:
    """Read two options: how many seconds to look back, and how many a period of load has."""
    back = None if since is None else duration_of(since, "--since").total_seconds()
    length = _ANY_LENGTH if every == _ALL else positive_duration_of(every, "--every").total_seconds()
    return back, max(int(length), 1)


def _write_proofs(agent: AgentConfig, path: Path) -> None:
    from alertdrill.agent.gate.kept import proofs_by_history
    from alertdrill.agent.gate.proofs import add_proofs

    found = proofs_by_history(
        agent.history, agent.recordings, lambda problem: typer.echo(f"skipped: {problem}", err=True)
    )
    add_proofs(path, found)
    proven = sum(one.proven_at is not None for one in found)
    typer.echo(f"{proven} proof(s) of {len(found)} alert(s) added to {path}")


def _rebuild(agent: AgentConfig, console: Console) -> None:
    from alertdrill.agent.history.database import opened
    from alertdrill.agent.history.index import rebuild
    from alertdrill.agent.history.sqlite import set_aside

    shown = agent.history.shown(agent.recordings)
    if agent.history.server is None and (aside := set_aside(agent.history.file(agent.recordings))) is not None:
        console.print(f"{shown} was damaged: it is {aside} now", soft_wrap=True)
    with opened(agent.history, agent.recordings) as database:
        made = rebuild(database, agent.recordings)
        database.shrink()
    for problem in made.problems:
        typer.echo(f"skipped: {problem}", err=True)
    console.print(f"{made.recordings} recording(s) and {made.occurrences} occurrence(s) in {shown}", soft_wrap=True)


_MOST_VALUES = 10_000


@dataclass(frozen=True)
class _Wanted:
    """What to show: so many rows, of so many seconds before an instant, in periods of so many seconds."""

    last: int
    now: float
    back: float | None
    every: int

    def since(self, default: float) -> float:
        """Return the instant from which on to show (Unix seconds); by default so many seconds before."""
        return self.now - (default if self.back is None else self.back)


@dataclass(frozen=True)
class _Shown:
    """Rows with the names of their columns, of which the first ones are in the table; `total` is its last row.

    Instants are Unix seconds in columns that end in `_at`, or texts in UTC; durations end in `_seconds`.
    """

    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]
    in_table: int
    total: tuple[object, ...] | None = None


def _runs(database: Database, wanted: _Wanted, _: AgentConfig) -> _Shown:
    columns = ("started_at", "drill", "exit_code", "verdicts", "entry", "aborted", "id", "recording")
    query = """
        SELECT started_at, drill, exit_code, entry, aborted, id,
          (SELECT MIN(path) FROM recording WHERE recording.agent = run.agent AND recording.run = run.id)
        FROM run WHERE agent = ? AND started_at >= ? ORDER BY started_at DESC, id LIMIT ?"""
    found = database.execute(query, (database.agent, wanted.since(wanted.now), wanted.last))
    of_run: dict[str, list[str]] = {}
    query = """
        SELECT run.id, verdict.ordinal, verdict.alert, verdict.outcome
        FROM verdict JOIN run ON run.agent = verdict.agent AND run.id = verdict.run
        WHERE run.agent = ? AND run.started_at >= ?"""
    oldest = min((row[0] for row in found), default=0.0)
    for run, _ordinal, alert, outcome in sorted(database.execute(query, (database.agent, oldest))):
        of_run.setdefault(run, []).append(f"{alert} {outcome}")
    rows = [
        (*head, ", ".join(of_run.get(run, [])) or None, entry, aborted, run, path)
        for *head, entry, aborted, run, path in found
    ]
    return _Shown(columns, rows, in_table=6)


def _proofs(database: Database, wanted: _Wanted, agent: AgentConfig) -> _Shown:
    from alertdrill.agent.history.index import proofs

    columns = ("alert", "severity", "proven_at", "age_seconds", "prove_by_at", "drill", "voided_at")
    limits = {severity: limit.total_seconds() for severity, limit in agent.freshness.prove_within.items()}
    rows = [
        (
            *(one.alert, one.severity, one.proven_at),
            *((None, None) if one.proven_at is None else _age(one.proven_at, wanted.now, limits.get(one.severity))),
            *(one.drill, one.voided_at),
        )
        for one in proofs(database, agent.time_scale)
    ]
    return _Shown(columns, list(rows), in_table=len(columns))


def _age(proven_at: float, now: float, limit: float | None) -> tuple[float, float | None]:
    """Return the age of a proof, and the instant at which it needs another one."""
    return round(now - proven_at, 3), None if limit is None else proven_at + limit


def _occurrences(database: Database, wanted: _Wanted, _: AgentConfig) -> _Shown:
    from alertdrill.units import json_text
    from alertdrill.units.text import utc_text

    columns = ("instant", "entry", "state", "reason", "why", "verdicts")
    query = """
        SELECT instant, entry, state, reason, why, verdicts FROM occurrence WHERE agent = ? AND instant >= ?
        ORDER BY instant DESC, entry LIMIT ?"""
    since = utc_text(datetime.fromtimestamp(wanted.since(wanted.now), UTC))
    rows = [
        (*row, json_text.parse(verdicts.encode(), _MOST_VALUES))
        for *row, verdicts in database.execute(query, (database.agent, since, wanted.last))
    ]
    return _Shown(columns, list(rows), in_table=len(columns))


_DAY_SECONDS = 86_400.0
_LOAD = (
    *("started_at", "span_seconds", "rate", "target_rate", "due", "succeeded", "failed", "dropped", "lost"),
    *("p50_seconds", "p95_seconds", "p99_seconds", "lateness_p99_seconds", "reasons"),
)


def _load(database: Database, wanted: _Wanted, _: AgentConfig) -> _Shown:
    from alertdrill.agent.history.load import LoadPeriod, periods

    found = periods(database, wanted.since(_DAY_SECONDS), wanted.every)
    total = LoadPeriod(sum(one.span for one in found), 0)
    for one in found:
        total.add(one)
    rows = [_load_row(one, float(one.started_at)) for one in found]
    if wanted.every == _ANY_LENGTH:
        rows = [_load_row(total, wanted.since(_DAY_SECONDS))] if found else []
    is_single = len(rows) < 2
    return _Shown(_LOAD, rows, in_table=len(_LOAD), total=None if is_single else _load_row(total, None))


def _load_row(period: LoadPeriod, at: float | None) -> tuple[object, ...]:
    from alertdrill.agent.history.load import percentile_seconds

    return (
        *(at, None if period.span >= _ANY_LENGTH else period.span, period.rate, period.target_rate),
        *(period.due, period.succeeded, period.failed, period.dropped, period.lost),
        *(percentile_seconds(period.latency, percent) for percent in (50, 95, 99)),
        *(percentile_seconds(period.lateness, 99), dict(period.reasons)),
    )


_SHOWN: dict[str, Callable[[Database, _Wanted, AgentConfig], _Shown]] = {
    "runs": _runs,
    "proofs": _proofs,
    "occurrences": _occurrences,
    "load": _load,
}


def _as_table(shown: _Shown) -> Table:
    """Render the rows for people."""
    from rich.table import Table
    from rich.text import Text

    names = shown.columns[: shown.in_table]
    heads = [name.removesuffix("_at").removesuffix("_seconds").replace("_", " ") for name in names]
    table = Table(*heads, box=None, pad_edge=False)
    for row in [*shown.rows, *([] if shown.total is None else [shown.total])]:
        table.add_row(*(Text(_text(name, value)) for name, value in zip(names, row, strict=False)))
    return table


def _as_json(shown: _Shown) -> str:
    """Render the rows as a list of objects."""
    import json

    rows = [dict(zip(shown.columns, row, strict=True)) for row in shown.rows]
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


def _text(name: str, value: object) -> str:
    if value is None or value in ("", {}):
        return {"started_at": "total", "proven_at": "never"}.get(name, "-")
    if name.endswith("_at") and isinstance(value, float):
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M}"
    if name.endswith("_seconds") and isinstance(value, int | float):
        return _duration(value)
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, dict):
        return ", ".join(f"{count} {reason}" for reason, count in value.items())
    if isinstance(value, list):
        return ", ".join(f"{drill} {code}" for drill, code in value) or "-"
    return str(value)


def _duration(seconds: float) -> str:
    """Format a duration for people: milliseconds below a second, and two units from a minute on."""
    from alertdrill.units.duration import format_seconds

    if seconds < 1:
        return f"{seconds * 1000:.1f}ms"
    unit = 3600 if seconds >= _DAY_SECONDS else 60 if seconds >= 3600 else 1
    return format_seconds(seconds if seconds < 60 else seconds // unit * unit)
