"""How far a drill has come: for the metrics, as a live view, and as a line of text."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from alertdrill.agent.config.drill import Drill
from alertdrill.agent.drilling.observer import Observer
from alertdrill.agent.recording.records import Phase
from alertdrill.probes.load.tally import Tally


@dataclass
class Progress:
    """The state of one drill; `phase_started` and `phase_ends_by` are by the loop's clock."""

    drill: Drill
    observer: Observer
    tally: Tally = field(default_factory=Tally)
    phase: Phase | None = None
    phase_started: float = 0.0
    phase_ends_by: float = 0.0
    # How many faults of each kind and target are in force.
    faults: dict[tuple[str, str], int] = field(default_factory=dict)
    # When the first fault was in force (Unix seconds).
    broken_at: float | None = None
    tell: Callable[[str], None] = lambda _: None

    def begin_fault(self, key: tuple[str, str], at: float) -> None:
        """Count a fault, by its kind and target, that is in force since an instant."""
        self.faults[key] += 1
        self.broken_at = at if self.broken_at is None else min(self.broken_at, at)

    @property
    def states(self) -> dict[str, str]:
        """The state of each active alert, by name."""
        return self.observer.states


_COLOURS = {"pending": "yellow", "firing": "red"}


def view(progress: Progress) -> Group | Text:
    """Draw the phase and how long it may still take, the last second of the load, and the state of each alert."""
    if progress.phase is None:
        return Text("starting …", style="dim")
    # A thread without an event loop draws this; the loop's clock is the monotonic one.
    now = time.monotonic()
    total = max(progress.phase_ends_by - progress.phase_started, 0.001)
    passed = min(now - progress.phase_started, total)
    head = Table.grid(padding=(0, 2))
    head.add_row(
        Text(progress.drill.name, style="bold"),
        Text(progress.phase, style="cyan"),
        ProgressBar(total=total, completed=passed, width=30),
        Text(f"at most {total - passed:.0f} s left"),
    )
    return Group(head, Text(line(progress) or "load begins"), _alert_line(progress))


def line(progress: Progress) -> str:
    """Return the last second of the load as text; empty before the first second is over."""
    tally = progress.tally
    last = tally.seconds[-1] if tally.seconds else None
    if last is None:
        return ""
    p95 = f"{last.p95_seconds * 1000:.0f} ms" if last.p95_seconds is not None else "-"
    return (
        f"{last.due} transactions/s   p95 {p95}   in flight {last.in_flight}"
        f"   failed {tally.failed}   dropped {tally.dropped}"
    )


def _alert_line(progress: Progress) -> Text:
    line = Text()
    names = sorted({expectation.alert for expectation in progress.drill.expect} | set(progress.states))
    for name in names:
        state = progress.states.get(name, "inactive")
        line.append(f"{name} ")
        line.append(f"{state}   ", style=_COLOURS.get(state, "dim"))
    return line
