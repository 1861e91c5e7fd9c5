"""How far a drill has come, for its view and for the metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

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
    tell: Callable[[str], None] = lambda _: None

    @property
    def states(self) -> dict[str, str]:
        """The state of each active alert, by name."""
        return self.observer.states
