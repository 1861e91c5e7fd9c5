"""What becomes of each fault when its target goes, is changed or is away, when two drills break it, and without hope.

`TABLE` is the promise: `python -m crashing.situations` writes it into docs/faults-and-safety.md, and `observed` tries a
row of it on real servers.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.registry import fault_class
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from crashing.cell import OF_THE_TARGET, Outcome, applies, while_in_force
from crashing.targets import Target, running

PAGE = Path(__file__).parents[3] / "docs" / "faults-and-safety.md"
_BEGIN, _END = "<!-- the situations, written by `python -m crashing.situations` -->\n", "<!-- end -->\n"
AT_ONCE = "two drills at once"
EACH_ITS_OWN, ENDS_BOTH = "each ends its own", "the first end ends both"


@dataclass(frozen=True)
class Promise:
    """How a fault ends in a situation, what is said then (a part of it), and what the page adds."""

    end: str
    said: str = ""
    note: str = ""

    def __str__(self) -> str:
        quoted = f"“{self.said}”" if self.said else ""
        return ": ".join(filter(None, [self.end, ", ".join(filter(None, [self.note, quoted]))]))


_NEVER = Promise("does not apply")
_WAITS = Promise("healed")
_SEEN = "a look at it tells the drill"
_UNKNOWN = Promise("given up", "may still be in force")
_NO_PROXY = Promise("healed", "somebody removed the proxy db, so there is nothing to undo")
_RESTARTED = Promise("healed", "has ended, so there is nothing to continue", "a new process is left alone")

# The columns are the events of the crash matrix that concern the target, and two drills with a ledger each that no lock
# keeps apart, as on two machines.
COLUMNS = {
    "target gone": "target gone for good",
    "changed by others": "changed by others meanwhile",
    "away for 3 s": "away for 3 s during the undo",
    AT_ONCE: "two drills at once, without the lock",
    "server gone": "server gone for good",
}
TABLE: dict[str, dict[str, Promise]] = {
    "latency": {
        "target gone": _NO_PROXY,
        "changed by others": Promise("healed", "somebody changed its toxicity; it was removed all the same"),
        "away for 3 s": _WAITS,
        AT_ONCE: Promise(EACH_ITS_OWN),
        "server gone": _UNKNOWN,
    },
    "down": {
        "target gone": _NO_PROXY,
        "changed by others": Promise("healed", "the proxy was enabled already"),
        "away for 3 s": _WAITS,
        AT_ONCE: Promise("refused", "is disabled already"),
        "server gone": _UNKNOWN,
    },
    "redis fill": {
        "target gone": _NEVER,
        "changed by others": Promise("healed", "somebody overwrote 1 of its keys"),
        "away for 3 s": _WAITS,
        AT_ONCE: Promise(EACH_ITS_OWN),
        "server gone": _UNKNOWN,
    },
    "redis block": {
        "target gone": _NEVER,
        "changed by others": Promise("healed", note=_SEEN),
        "away for 3 s": _WAITS,
        AT_ONCE: Promise("refused", "it accepts no write"),
        "server gone": _UNKNOWN,
    },
    "postgres lock": {
        "target gone": Promise("healed", "somebody dropped the database shop, so there is nothing to undo"),
        "changed by others": Promise("healed", note=_SEEN),
        "away for 3 s": _WAITS,
        AT_ONCE: Promise("refused", "lock timeout"),
        "server gone": _UNKNOWN,
    },
    "http": {
        "target gone": _NEVER,
        "changed by others": Promise("healed", note=f"{_SEEN}, if `begin` has a `confirm`"),
        "away for 3 s": _WAITS,
        AT_ONCE: Promise(ENDS_BOTH),
        "server gone": _UNKNOWN,
    },
    "process stop": {
        "target gone": Promise("healed", "has ended, so there is nothing to continue"),
        "changed by others": _RESTARTED,
        "away for 3 s": _NEVER,
        AT_ONCE: Promise("refused", "is stopped already"),
        "server gone": _NEVER,
    },
    "process kept down": {
        "target gone": _UNKNOWN,
        "changed by others": Promise("healed"),
        "away for 3 s": _NEVER,
        AT_ONCE: _NEVER,
        "server gone": _NEVER,
    },
    "command": {
        "target gone": _UNKNOWN,
        "changed by others": Promise("healed"),
        "away for 3 s": _NEVER,
        AT_ONCE: Promise(ENDS_BOTH),
        "server gone": _NEVER,
    },
    "cpu": {
        "target gone": _NEVER,
        "changed by others": Promise("healed", note=_SEEN),
        "away for 3 s": _NEVER,
        AT_ONCE: Promise(EACH_ITS_OWN),
        "server gone": _NEVER,
    },
    "memory": {
        "target gone": _NEVER,
        "changed by others": Promise("healed", note=_SEEN),
        "away for 3 s": _NEVER,
        AT_ONCE: Promise(EACH_ITS_OWN),
        "server gone": _NEVER,
    },
}
# The rows of the page that have other names than in the crash matrix.
_NAMES = {"latency": "each toxic", "postgres lock": "postgres lock, fill_pool", "process kept down": "process kill"}


@dataclass
class Observed:
    """What became of a fault in a situation."""

    end: str
    said: str
    problems: list[str]
    healed_by: str = ""


def observed(fault: str) -> dict[str, Observed]:
    """Try every situation that can happen to a fault, on one target."""
    return asyncio.run(_observed(fault))


async def _observed(fault: str) -> dict[str, Observed]:
    with tempfile.TemporaryDirectory(prefix="alertdrill-situation-") as made:
        directory = Path(made)
        async with running(fault, directory) as target:
            found = {}
            for event in OF_THE_TARGET:
                if applies(event, target):
                    found[event] = _of_a_cell(await while_in_force(fault, target, directory / event, event))
            if TABLE[fault][AT_ONCE] is not _NEVER:
                found[AT_ONCE] = await _two_at_once(target, directory)
            return found


def _of_a_cell(outcome: Outcome) -> Observed:
    unreached = [] if outcome.reached else [f"{outcome.event} did not happen"]
    return Observed(outcome.end, outcome.said, outcome.problems + unreached, outcome.healed_by)


async def _two_at_once(target: Target, directory: Path) -> Observed:
    """Inject a fault twice, each with a ledger of its own."""
    fault = fault_class(target.fault["kind"]).model_validate(target.fault)
    endpoints = Endpoints(**target.endpoints)
    end, said, problems = "", "", []
    async with applied(fault, endpoints, Ledger(directory / "one")):
        try:
            async with applied(fault, endpoints, Ledger(directory / "two")):
                pass
        except FaultNotApplied as error:
            end, said = "refused", str(error)
        is_kept = await asyncio.to_thread(target.is_broken)
        if end and not is_kept:
            problems.append("the refused drill ended the fault of the other one")
    end = end or (EACH_ITS_OWN if is_kept else ENDS_BOTH)
    if await asyncio.to_thread(target.is_broken):
        problems.append("the fault is still in force")
    return Observed(end, said, problems)


def table() -> str:
    """Format the table for the page."""
    rows = [f"| fault | {' | '.join(COLUMNS.values())} |", f"| --- |{' --- |' * len(COLUMNS)}"]
    for fault, promises in TABLE.items():
        cells = " | ".join(str(promises[column]) for column in COLUMNS)
        rows.append(f"| {_NAMES.get(fault, fault)} | {cells} |")
    return "\n".join(rows) + "\n"


def written(page: str) -> str:
    """Return the page with the table of today."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{table()}\n{_END}{after}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
