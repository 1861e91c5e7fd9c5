"""`alertdrill status` shows the faults in force, and `alertdrill heal` undoes those that no process will undo.

What cannot be undone may be given up: `alertdrill heal --give-up ENTRY --because TEXT`.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from alertdrill.agent.console import widened
from alertdrill.agent.drilling.lock import canonical
from alertdrill.agent.errors import ConfigError
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed, LedgerRefused
from alertdrill.chaos.safety.entry import Entry, shown
from alertdrill.chaos.safety.given_up import GivenUp, left_broken, read_records, record_end
from alertdrill.chaos.safety.healing import PATIENCE_SECONDS, abandoned, heal_all
from alertdrill.chaos.safety.ledger import Contents, Ledger
from alertdrill.chaos.safety.owner import Owner
from alertdrill.chaos.toxiproxy.client import Toxiproxy, ToxiproxyError
from alertdrill.units.duration import format_seconds
from alertdrill.units.secrecy import SHOWN
from alertdrill.units.text import one_line, utc_text

HEAL = "alertdrill heal"


async def heal(  # noqa: PLR0913 - all but two have names
    ledger: Ledger,
    tell: Callable[[str], None],
    *,
    dry_run: bool = False,
    force: bool = False,
    command: str = HEAL,
    own: Owner | None = None,
) -> int:
    """Undo every fault that is expired or whose process is dead; with `force`, also those of running drills.

    `own` is a process whose faults are undone although it lives: no drill of it runs. `command` is the way to call it again. Raises FaultNotHealed when some cannot be undone, and LedgerRefused when some
    are refused, after all the others were.
    """
    contents = ledger.read()
    chosen = dict(abandoned(contents, force=force))
    chosen |= {entry_id: entry for entry_id, entry in contents.entries.items() if entry.owner == own}
    if dry_run:
        tell(f"{len(chosen)} fault(s) to heal in {ledger.directory}")
    for entry_id in contents.entries:
        if entry_id not in chosen:
            tell(f"left alone: {_line(contents, entry_id)}; --force undoes it all the same")
        elif dry_run:
            tell(f"would heal: {_line(contents, entry_id)}")
    problems = {} if dry_run else await _heal_chosen(ledger, chosen, tell)
    _require_whole(contents, problems, command)
    if not dry_run:
        left = len(contents.entries) - len(chosen)
        tell(f"{len(chosen)} fault(s) healed, {left or 'none'} in force in {ledger.directory}")
    return 0


def way_out(command: str, entry_id: str) -> str:
    """Return what a person can do about an entry that cannot be healed, with the command to copy."""
    return (
        f"what you can do: wait until the target is back, or repair it, and run `{command}`; "
        f"if that is hopeless, give it up: {_give_up_command(command, entry_id)}"
    )


def _give_up_command(command: str, entry_id: str) -> str:
    return one_line(f'{command} --give-up {shlex.quote(entry_id)} --because "…"')


def _require_whole(contents: Contents, problems: dict[str, str], command: str) -> None:
    """Raise FaultNotHealed for the problems, by id, and for damaged entries, and LedgerRefused for refused ones."""
    errors: list[Exception] = []
    not_healed = [contents.problem] if contents.problem else []
    for one in contents.spoilt:
        if not one.is_refused:
            by_hand = f"undo by hand what it broke, then give it up: {_give_up_command(command, one.entry_id)}"
            not_healed += [one.line, f"what you can do: {by_hand}"]
    for entry_id, problem in problems.items():
        not_healed += [f"{entry_id} is not healed: {problem}", way_out(command, entry_id)]
    if not_healed:
        errors.append(FaultNotHealed("\n".join(not_healed)))
    if contents.refused:
        errors.append(LedgerRefused("\n".join(_refused(contents, command))))
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup("the ledger", errors)


def _refused(contents: Contents, command: str) -> list[str]:
    return [
        f"{one.line} (or give it up: {_give_up_command(command, one.entry_id)})"
        for one in contents.spoilt
        if one.is_refused
    ]


async def _heal_chosen(
    ledger: Ledger, chosen: dict[str, Entry], tell: Callable[[str], None], patience_seconds: float = PATIENCE_SECONDS
) -> dict[str, str]:
    problems = {}
    async for healed in heal_all(ledger, chosen, patience_seconds):
        found = healed.entry.injection.outcome
        if healed.problem:
            problems[healed.entry_id] = one_line(healed.problem)
        else:
            said = f"healed: {healed.entry_id}: {healed.entry.fault} on {healed.entry.target}"
            tell(f"{said}; {found}" if found else said)
    return problems


async def give_up(
    ledger: Ledger, entry_id: str, because: str, tell: Callable[[str], None], *, dry_run: bool = False
) -> int:
    """Undo a fault once more; if that fails, record why it is given up and what is left, and remove its entry.

    A damaged or refused entry is not carried out. Raises ConfigError when there is no such entry, or when its process
    still runs, and FaultNotHealed when the record cannot be written.
    """
    contents = ledger.read()
    spoilt = {one.entry_id: one.line for one in contents.spoilt}
    _require_entry(ledger, entry_id, [*contents.entries, *spoilt])
    entry = contents.entries.get(entry_id)
    if entry is None:
        left = f"{spoilt[entry_id]}; what it broke is unknown"
    else:
        _require_dead_owner(contents, entry_id, entry)
        left = left_broken(entry)
    if dry_run:
        tell(f"would give up: {one_line(entry_id)}: {left}")
        return 0
    if entry is not None:
        problems = await _heal_chosen(ledger, {entry_id: entry}, tell, patience_seconds=0)
        if not problems:
            tell("nothing had to be given up")
            return 0
        if ledger.find(entry_id) is None:
            tell(f"{entry_id} was healed by another process meanwhile, so nothing had to be given up")
            return 0
        left = left_broken(entry, problems[entry_id])
    tell(f"left: {left}")
    record = record_end(ledger, entry_id, entry, because, left)
    tell(f"given up: {one_line(entry_id)}, recorded in {one_line(record)}; `alertdrill status --given-up` shows it")
    return 0


def _require_entry(ledger: Ledger, entry_id: str, known: Sequence[str]) -> None:
    if entry_id not in known:
        expected = f"expected one of: {', '.join(map(one_line, known))}" if known else "where no fault is in force"
        raise ConfigError(f"there is no entry {entry_id!r} in {ledger.directory}, {expected}")


def _require_dead_owner(contents: Contents, entry_id: str, entry: Entry) -> None:
    if entry.owner.is_alive:
        raise ConfigError(
            f"not given up: {_line(contents, entry_id)}: its process still runs, and undoes it at its end; "
            f"wait for that, or end the process with `kill -INT {entry.owner.pid}`, and give up what it leaves"
        )


async def heal_abandoned(
    ledger: Ledger, tell: Callable[[str], None], broken: frozenset[str] | None = None, command: str = HEAL
) -> None:
    """Undo, before a drill begins, the faults that dead processes left in force.

    `broken` are the servers that the drill will break, as `canonical` spells them; None means any. A fault elsewhere that
    cannot be undone does not stop the drill. Raises FaultNotHealed and LedgerRefused.
    """
    contents = ledger.read()
    chosen = abandoned(contents)
    problems = await _heal_chosen(ledger, chosen, tell)
    elsewhere = {entry_id for entry_id in problems if not await _concerns(chosen[entry_id], broken)}
    for entry_id in elsewhere:
        tell(f"{entry_id} is not healed: {problems.pop(entry_id)}; the drill goes on, for it breaks other targets")
        tell(way_out(command, entry_id))
    _require_whole(contents, problems, command)


async def require_nothing_in_force(ledger: Ledger, broken: frozenset[str] | None = None, command: str = HEAL) -> None:
    """Raise FaultNotApplied when a fault is in force on a server that a drill will break; None means any server.

    The error names the process and the drill. An entry that does not say what it broke counts. Raises LedgerRefused.
    """
    contents = ledger.read()
    if contents.refused:
        raise LedgerRefused("\n".join(_refused(contents, command)))
    left = [_line(contents, entry_id) for entry_id, one in contents.entries.items() if await _concerns(one, broken)]
    if left or contents.unreadable:
        count = len(left) + len(contents.unreadable)
        advice = f"the ledger {ledger.directory} holds {count} fault(s) that may still be in force"
        lines = [*contents.unreadable, *left, f"{advice}; run `{command}` first"]
        raise FaultNotApplied("\n".join(lines))


async def _concerns(entry: Entry, broken: frozenset[str] | None) -> bool:
    """Return whether an entry may be of a server that a drill will break; one of an older version does not say."""
    if broken is None or entry.servers is None:
        return True
    return not broken.isdisjoint([await canonical(server) for server in entry.servers])


async def require_no_other_toxics(server: Toxiproxy, ledger: Ledger) -> None:
    """Raise FaultNotApplied when a Toxiproxy has a toxic of an alertdrill with another ledger, perhaps on another machine."""
    try:
        found = await server.toxics()
    except ToxiproxyError as error:
        raise FaultNotApplied(str(error)) from error
    own, given_up = ledger.read().entries, read_records(ledger)[0]
    lines = []
    for one in found:
        entry_id = one.name.removesuffix("-cut")
        if not one.name.startswith("alertdrill-") or entry_id in own:
            continue
        whose = (
            "whose entry was given up: "
            if entry_id in given_up
            else f"which another alertdrill made, for it is not in {ledger.directory}: "
            "wait for the end of that drill; if there is none, "
        )
        by_hand = f"curl -X DELETE {server.url}/proxies/{one.proxy}/toxics/{one.name}"
        lines.append(f"Toxiproxy at {server.url} has the toxic {one.name} on the proxy {one.proxy}, {whose}{by_hand}")
    if lines:
        raise FaultNotApplied("\n".join(lines))


def status(ledger: Ledger, console: Console, *, as_json: bool, command: str = HEAL) -> int:
    """Show the faults in the ledger; raises, after that, FaultNotHealed for damaged entries and LedgerRefused."""
    contents = ledger.read()
    if as_json:
        console.file.write(json.dumps([_row(contents, entry_id) for entry_id in contents.entries], indent=2) + "\n")
    elif contents.entries:
        _print(console, f"in {ledger.directory}:", _table(contents))
        for entry_id in (one for one in contents.entries if _state(contents, one) == "abandoned"):
            hopeless = f"if that is hopeless, give it up: {_give_up_command(command, entry_id)}"
            console.print(Text(f"{entry_id}: `{command}` undoes it; {hopeless}"), soft_wrap=True)
    else:
        console.print(f"no fault is in force in {ledger.directory}", soft_wrap=True)
    _require_whole(contents, {}, command)
    return 0


def status_given_up(ledger: Ledger, console: Console, *, as_json: bool) -> int:
    """Show the entries that were given up; raises, after that, LedgerRefused for records that are not read."""
    records, problems = read_records(ledger)
    if as_json:
        rows = [{"id": entry_id} | _shown(record) for entry_id, record in records.items()]
        console.file.write(json.dumps(rows, indent=2) + "\n")
    elif records:
        table = Table("fault", "given up", "by", "because", "left", "id")
        for entry_id, one in records.items():
            instant = utc_text(datetime.fromtimestamp(one.given_up_at, UTC))
            table.add_row(*map(Text, (one.fault, instant, one.by, one.because, one.left, one_line(entry_id))))
        _print(console, f"given up in {ledger.directory}:", table)
    else:
        console.print(f"nothing was given up in {ledger.directory}", soft_wrap=True)
    if problems:
        raise LedgerRefused("\n".join(problems))
    return 0


def _print(console: Console, heading: str, table: Table) -> None:
    widened(console).print(heading, soft_wrap=True)
    console.print(table)


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


def _shown(record: GivenUp) -> dict[str, Any]:
    # The text of a damaged entry may hold anything that an entry does.
    hidden = {"file": None if record.file is None else SHOWN, "entry": record.entry and shown(record.entry)}
    return record.model_dump(mode="json") | hidden


def _row(contents: Contents, entry_id: str) -> dict[str, Any]:
    row = contents.entries[entry_id].model_dump(mode="json", exclude={"owner", "servers"})
    return {"id": entry_id, "state": _state(contents, entry_id), "pid": contents.entries[entry_id].owner.pid} | shown(
        row
    )


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
