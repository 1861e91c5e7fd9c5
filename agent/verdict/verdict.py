"""What the judge says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class VerdictOutcome(StrEnum):
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


class Link(StrEnum):
    """The links of the chain from a fault to a receiver; a finding names the first one that is broken."""

    NO_RULE = "no_rule"
    EVALUATION_FAILED = "evaluation_failed"
    SERIES_ABSENT = "series_absent"
    NOTHING_MATCHES = "nothing_matches"
    SERIES_STALE = "series_stale"
    NO_PAIR = "no_pair"
    NEVER_CROSSED = "never_crossed"
    NEVER_TRUE = "never_true"
    BROKEN_OFF = "broken_off"
    STILL_PENDING = "still_pending"
    NEVER_PENDING = "never_pending"
    NOT_SENT = "not_sent"
    SILENCED = "silenced"
    INHIBITED = "inhibited"
    MUTED = "muted"
    ROUTED_ELSEWHERE = "routed_elsewhere"
    STILL_WAITING = "still_waiting"
    NOT_DELIVERED = "not_delivered"


@dataclass(frozen=True)
class Finding:
    """The first broken link, in one sentence, and what else the record shows of it, a line each."""

    link: Link
    sentence: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Span:
    """One part of the way from the fault to the receiver: what it was, from when to when (Unix seconds)."""

    name: str
    starts_at: float
    ends_at: float
    text: str

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ends_at - self.starts_at


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
    """One instant of an alert's life (Unix seconds, None if it did not come) beside its lawful window.

    A window that is only expected, and not what the rule says, is not `judged`.
    """

    name: str
    at: float | None
    window: Window | None
    judged: bool = True

    @property
    def lawful(self) -> bool | None:
        """Tell whether it came inside its window; None where there is nothing to compare."""
        if self.at is None or self.window is None:
            return None
        return self.window.holds(self.at)

    @property
    def margins(self) -> tuple[float, float] | None:
        """Tell how many seconds after the earliest and before the latest instant it came; negative outside."""
        if self.at is None or self.window is None:
            return None
        return self.at - self.window.earliest, self.window.latest - self.at


@dataclass(frozen=True)
class Runbook:
    """What to do about an alert: the link of its rule, and the path of the page where that is at hand."""

    url: str
    page: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What the judge says of one alert, with its reason in one sentence; `notes` say what it could not rest on."""

    alert: str
    labels: dict[str, str]
    outcome: VerdictOutcome
    reason: str
    milestones: tuple[Milestone, ...] = ()
    receiver: str | None = None
    finding: Finding | None = None
    spans: tuple[Span, ...] = ()
    notes: tuple[str, ...] = ()
    runbook: Runbook | None = None


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
        """Tell the exit code: 0 passed, 1 an expectation or the audit was not met, 3 inconclusive; 1 beats 3.

        A control in which all was quiet has no verdict, and passed unless something undermines it.
        """
        outcomes = {verdict.outcome for verdict in self.verdicts}
        if self.audit_problems or outcomes - {VerdictOutcome.PASSED, VerdictOutcome.INCONCLUSIVE}:
            return 1
        is_doubtful = VerdictOutcome.INCONCLUSIVE in outcomes or (not outcomes and self.undermined_by)
        return 3 if is_doubtful else 0
