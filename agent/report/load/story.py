"""All that a report of a load may tell: its summary, and what the load did second by second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alertdrill.probes.figures.summary import LoadSummary
from alertdrill.probes.figures.thresholds import crossed
from alertdrill.probes.load.tally import Tally

if TYPE_CHECKING:
    # Few loads have phases, and a phase comes with the KPIs.
    from alertdrill.agent.scorecard.phase_result import PhaseResult


@dataclass(frozen=True)
class LoadStory:
    """A load by the name of its file, from `started_at` (Unix seconds) on; `ending` says why it ended early.

    `was_crossed` says that a threshold ended it: that counts, also when the last answers mended its figure.
    """

    name: str
    started_at: float
    summary: LoadSummary
    tally: Tally
    ending: str = ""
    phases: tuple[PhaseResult, ...] = ()
    was_crossed: bool = False

    @property
    def verdict(self) -> str:
        """Tell in a word how it went: `passed`, `crossed`, `not carried` (a phase did not pass), or `stopped` where nothing was crossed so far."""
        if self.was_crossed or crossed(self.summary.judged):
            return "crossed"
        if not all(phase.passed for phase in self.phases):
            return "not carried"
        return "stopped" if self.ending else "passed"
