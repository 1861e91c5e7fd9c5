"""Formats the matrix as a page."""

from __future__ import annotations

import itertools
import os

from crashing.cell import EVENTS, OF_THE_TARGET, Outcome

_HEAD = """\
# The crash matrix
These tests make something fail while a fault is being injected, is in force, or is being undone.
A row is a fault, and a column is an event, which happens once before each step of the fault.
A cell has the number of runs in which the fault was undone, the number of all runs, and the longest time until a witness saw that.
The time counts from the event; if the target was away, from its return; for `SIGKILL of both`, from `heal`.
A stopped process is continued after 2.2 s, and must then notice that its fault was undone meanwhile.
The second table has the events of the target itself: it is removed, its server is gone for good, somebody else changes what the fault made, or its server is away for three seconds.
There a fault is healed, refused before anything broke, or given up (`alertdrill heal --give-up`), with a record, when no undo can succeed.
What a fault left is looked at after the server is back: nothing that counts as healed may still be broken.

A step is a call by which the process touches a file, a socket or a process.
A first run without events finds the steps, with a hook that sees every such call.
The witness shares no code with alertdrill: toxiproxy-python, redis-py, the service's own state, `/proc`.
In every run, everything that belongs to others (toxics, proxies, keys, processes) is the same before and after, and the
ledger is empty at the end.

`make crash-matrix` writes this page.
"""


def page(outcomes: list[Outcome], steps: dict[str, list[str]], scope: str, seconds: float) -> str:
    """Write the whole page."""
    healed = sum(not outcome.problems for outcome in outcomes)
    lines = [
        _HEAD,
        f"**{healed} of {len(outcomes)} healed, given up by rule, or refused**, in {seconds / 60:.0f} minutes: {scope}.",
        f"The watchdog or the agent undid the fault within 2 s in {_quick(outcomes)}.",
        f"The machine had {os.cpu_count()} processors and, at the end, {os.getloadavg()[1]:.0f} processes that were ready to run.",
        "",
        *_table(outcomes, steps),
        "",
        *_table_of_targets(outcomes, steps),
        *_problems(outcomes),
        "",
        "## Undone by",
        *_by_whom(outcomes),
        "",
        "## The steps",
        *itertools.chain.from_iterable(_steps(name, found) for name, found in steps.items()),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _quick(outcomes: list[Outcome]) -> str:
    struck = [outcome for outcome in outcomes if outcome.seconds > 0 and outcome.event != "SIGKILL of both"]
    quick = sum(outcome.seconds <= 2 for outcome in struck)
    return f"{quick} of {len(struck)} runs in which it was in force"


def _table(outcomes: list[Outcome], steps: dict[str, list[str]]) -> list[str]:
    rows = [f"| fault | steps | {' | '.join(EVENTS)} |", f"| --- | --- |{' --- |' * len(EVENTS)}"]
    for fault, found in steps.items():
        cells = [_cell([o for o in outcomes if (o.fault, o.event) == (fault, event)]) for event in EVENTS]
        rows.append(f"| {fault} | {len(found)} | {' | '.join(cells)} |")
    return rows


def _cell(outcomes: list[Outcome]) -> str:
    if not outcomes:
        return "does not apply"
    healed = sum(not outcome.problems for outcome in outcomes)
    return f"{healed}/{len(outcomes)}, {max(outcome.seconds for outcome in outcomes):.1f} s"


def _table_of_targets(outcomes: list[Outcome], steps: dict[str, list[str]]) -> list[str]:
    rows = [f"| fault | {' | '.join(OF_THE_TARGET)} |", f"| --- |{' --- |' * len(OF_THE_TARGET)}"]
    for fault in steps:
        cells = [_ends([o for o in outcomes if (o.fault, o.event) == (fault, event)]) for event in OF_THE_TARGET]
        rows.append(f"| {fault} | {' | '.join(cells)} |")
    return rows


def _ends(outcomes: list[Outcome]) -> str:
    ends = [outcome.end if not outcome.problems else "NOT ENDED" for outcome in outcomes]
    return ", ".join(f"{ends.count(end)} {end}" for end in sorted(set(ends))) or "does not apply"


def _problems(outcomes: list[Outcome]) -> list[str]:
    failed = [outcome for outcome in outcomes if outcome.problems]
    if not failed:
        return []
    return [
        "",
        "## Not ended as they must",
        *(f"- {o.fault}, {o.event} before {o.step} ({o.at}): {o.problems}" for o in failed),
    ]


def _by_whom(outcomes: list[Outcome]) -> list[str]:
    rows = [
        "| event | undone by the agent, or nothing to undo | by the watchdog | by `heal` |",
        "| --- | --- | --- | --- |",
    ]
    for event in (*EVENTS, *OF_THE_TARGET):
        here = [outcome.healed_by for outcome in outcomes if outcome.event == event]
        rows.append(f"| {event} | {here.count('')} | {here.count('watchdog')} | {here.count('heal')} |")
    return rows


def _steps(name: str, found: list[str]) -> list[str]:
    groups = [
        f"{phase}: {', '.join(step.partition(': ')[2] for step in steps)}"
        for phase, steps in itertools.groupby(found, key=lambda step: step.partition(": ")[0])
    ]
    return [f"- **{name}** — {'; '.join(groups)}"]
