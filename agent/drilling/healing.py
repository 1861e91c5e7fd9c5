"""`alertdrill status` shows the faults in force, and `alertdrill heal` undoes those that no process will undo."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from alertdrill.agent.config.agent import read_agent_config
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed, LedgerRefused
from alertdrill.chaos.safety.entry import Entry
from alertdrill.chaos.safety.healing import abandoned, heal_all
from alertdrill.chaos.safety.ledger import Contents, Ledger
from alertdrill.chaos.toxiproxy.client import Toxiproxy, ToxiproxyError
from alertdrill.units.duration import format_seconds


def ledger_of(config: Path) -> Ledger:
    """Return the ledger of a configuration; raises ConfigError."""
    return Ledger(read_agent_config(config).ledger)


async def heal(ledger: Ledger, tell: Callable[[str], None], *, dry_run: bool = False, force: bool = False) -> int:
    """Undo every fault that is expired or whose process is dead; with `force`, also those of running drills.

    Raises FaultNotHealed when some cannot be undone, and LedgerRefused when some are refused, after all the others were.
    """
    contents = ledger.read()
    chosen = abandoned(contents, force=force)
    if dry_run:
        tell(f"{len(chosen)} fault(s) to heal in {ledger.directory}")
    for entry_id in contents.entries:
        if entry_id not in chosen:
            tell(f"left alone: {_line(contents, entry_id)}; --force undoes it all the same")
        elif dry_run:
            tell(f"would heal: {_line(contents, entry_id)}")
    problems = [] if dry_run else await _heal_chosen(ledger, chosen, tell)
    _require_whole(contents, problems)
    if not dry_run:
        left = len(contents.entries) - len(chosen)
        tell(f"{len(chosen)} fault(s) healed, {left or 'none'} in force in {ledger.directory}")
    return 0


def _require_whole(contents: Contents, problems: list[str]) -> None:
    """Raise FaultNotHealed for the problems and for damaged entries, and LedgerRefused for refused ones."""
    errors: list[Exception] = []
    if not_healed := [*contents.unreadable, *problems]:
        errors.append(FaultNotHealed("\n".join(not_healed)))
    if contents.refused:
        errors.append(LedgerRefused("\n".join(contents.refused)))
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup("the ledger", errors)


async def _heal_chosen(ledger: Ledger, chosen: dict[str, Entry], tell: Callable[[str], None]) -> list[str]:
    problems = []
    async for healed in heal_all(ledger, chosen):
        if healed.problem:
            problems.append(f"{healed.entry_id} is not healed: {healed.problem}")
        else:
            tell(f"healed: {healed.entry_id}: {healed.entry.fault} on {healed.entry.target}")
    return problems


async def heal_abandoned(ledger: Ledger, tell: Callable[[str], None]) -> None:
    """Undo, before a drill begins, the faults that dead processes left in force.

    Raises FaultNotHealed and LedgerRefused.
    """
    contents = ledger.read()
    _require_whole(contents, await _heal_chosen(ledger, abandoned(contents), tell))


def require_nothing_in_force(ledger: Ledger) -> None:
    """Raise FaultNotApplied when a fault is in force; the error names the process and the drill. Raises LedgerRefused."""
    contents = ledger.read()
    if contents.refused:
        raise LedgerRefused("\n".join(contents.refused))
    left = [_line(contents, entry_id) for entry_id in contents.entries]
    if left or contents.unreadable:
        count = len(left) + len(contents.unreadable)
        advice = f"the ledger {ledger.directory} holds {count} fault(s) that may still be in force"
        lines = [*contents.unreadable, *left, f"{advice}; run `alertdrill heal` first"]
        raise FaultNotApplied("\n".join(lines))


async def require_no_other_toxics(server: Toxiproxy, ledger: Ledger) -> None:
    """Raise FaultNotApplied when a Toxiproxy has a toxic of an alertdrill with another ledger, perhaps on another machine."""
    try:
        found = await server.toxics()
    except ToxiproxyError as error:
        raise FaultNotApplied(str(error)) from error
    own = ledger.read().entries
    others = [one for one in found if one.name.startswith("alertdrill-") and one.name.removesuffix("-cut") not in own]
    lines = [
        f"Toxiproxy at {server.url} has the toxic {one.name} on the proxy {one.proxy}, which another alertdrill made, "
        f"for it is not in {ledger.directory}: wait for the end of that drill; if there is none, "
        f"curl -X DELETE {server.url}/proxies/{one.proxy}/toxics/{one.name}"
        for one in others
    ]
    if lines:
        raise FaultNotApplied("\n".join(lines))


def status(ledger: Ledger, console: Console, *, as_json: bool) -> int:
    """Show the faults in the ledger; raises, after that, FaultNotHealed for damaged entries and LedgerRefused."""
    contents = ledger.read()
    if as_json:
        console.file.write(json.dumps([_row(contents, entry_id) for entry_id in contents.entries], indent=2) + "\n")
    elif contents.entries:
        if not console.is_terminal:
            console.width = 160  # a pipe has no width: a row must stay one line
        console.print(f"in {ledger.directory}:", soft_wrap=True)
        console.print(_table(contents))
    else:
        console.print(f"no fault is in force in {ledger.directory}", soft_wrap=True)
    _require_whole(contents, [])
    return 0


def _table(contents: Contents) -> Table:
    table = Table("fault", "target", "drill", "process", "for", "at most", "state", "id")
    now = time.time()
    for entry_id, entry in contents.entries.items():
        since, left = now - entry.written_at, entry.expires_at - now
        table.add_row(
            entry.fault,
            entry.target,
            entry.drill,
            str(entry.owner.pid),
            format_seconds(max(since, 0.0)),
            f"{format_seconds(left)} more" if left > 0 else "over",
            _state(contents, entry_id),
            entry_id,
        )
    return table


def _row(contents: Contents, entry_id: str) -> dict[str, Any]:
    row = contents.entries[entry_id].model_dump(mode="json", exclude={"owner"})
    return {"id": entry_id, "state": _state(contents, entry_id), "pid": contents.entries[entry_id].owner.pid} | row


def _state(contents: Contents, entry_id: str) -> str:
    entry = contents.entries[entry_id]
    if not entry.owner.is_alive:
        return "abandoned"
    if entry_id in contents.lapsed:
        return "taken back"
    return "expired" if entry.is_expired else "in force"


def _line(contents: Contents, entry_id: str) -> str:
    entry = contents.entries[entry_id]
    owner = f"of process {entry.owner.pid}, drill {entry.drill}"
    return f"{entry_id}: {entry.fault} on {entry.target}, {owner}: {_state(contents, entry_id)}"
