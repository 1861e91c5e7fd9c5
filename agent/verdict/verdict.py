"""What the judge says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What became of one expectation; the words of every report."""

    PASSED = "passed"
    LATE = "late"
    EARLY = "early"
    MISSED = "missed"
    WRONG_LABELS = "wrong_labels"
    NOT_NOTIFIED = "not_notified"
    WRONG_RECEIVER = "wrong_receiver"
    NOT_RESOLVED = "not_resolved"
    UNEXPECTED = "unexpected"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Window:
    """The earliest and the latest lawful instant (Unix seconds), and how they come about, for a person."""

    earliest: float
    latest: float
    arithmetic: str

    def holds(self, instant: float) -> bool:
        """Tell whether an instant lies in the window, both ends included."""
        return self.earliest <= instant <= self.latest


@dataclass(frozen=True)
class Milestone:
    """One instant of an alert's life (Unix seconds, None if it did not come) beside its lawful window."""

    name: str
    at: float | None
    window: Window | None

    @property
    def lawful(self) -> bool | None:
        """Tell whether it came inside its window; None where there is nothing to compare."""
        if self.at is None or self.window is None:
            return None
        return self.window.holds(self.at)


@dataclass(frozen=True)
class Verdict:
    """What the judge says of one alert, with its reason in one sentence."""

    alert: str
    labels: dict[str, str]
    outcome: Outcome
    reason: str
    milestones: tuple[Milestone, ...] = ()
    receiver: str | None = None


@dataclass(frozen=True)
class Judgement:
    """All verdicts of one drill, and what undermines them.

    `allowed` names the alerts that fired, were not under test, and were allowed to.
    `fault_at` is the instant (Unix seconds) from which the milestones count. `audit_problems` says what is wrong with
    the ledger.
    """

    verdicts: tuple[Verdict, ...]
    undermined_by: tuple[str, ...]
    allowed: tuple[str, ...]
    fault_at: float
    audit_problems: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """Tell the exit code: 0 passed, 1 an expectation or the audit was not met, 3 inconclusive; 1 beats 3."""
        outcomes = {verdict.outcome for verdict in self.verdicts}
        if self.audit_problems or outcomes - {Outcome.PASSED, Outcome.INCONCLUSIVE}:
            return 1
        return 3 if Outcome.INCONCLUSIVE in outcomes else 0
