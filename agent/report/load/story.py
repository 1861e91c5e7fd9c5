"""What the reports of a load are made of: its summary, and its figures second by second."""

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

    `was_crossed` is true where a threshold ended the load, even if its final figure is within the threshold again.
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
        """Return one of these, the first that is true.

        `crossed`: a threshold was crossed; `not carried`: a phase did not pass; `unanswered`: no transaction had an answer;
        `stopped`: it ended early; `passed`.
        """
        if self.was_crossed or crossed(self.summary.judged):
            return "crossed"
        if not all(phase.passed for phase in self.phases):
            return "not carried"
        if not self.tally.answered:
            return "unanswered"
        return "stopped" if self.ending else "passed"
