"""The result of a judgement: verdicts, findings, milestones and their windows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class VerdictOutcome(StrEnum):
    """The outcome of one expectation; every report uses these words."""

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


class ChainLink(StrEnum):
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
    NOT_CALLED = "not_called"


@dataclass(frozen=True)
class Finding:
    """The first broken link in one sentence, and more evidence, one line each.

    `is_structural` if the link is broken whatever a fault does: such a rule can never fire.
    """

    link: ChainLink
    sentence: str
    evidence: tuple[str, ...] = ()
    is_structural: bool = False


@dataclass(frozen=True)
class Span:
    """One part of the time from the fault to the notification: its name, start and end (Unix seconds)."""

    name: str
    starts_at: float
    ends_at: float
    text: str

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.ends_at - self.starts_at


@dataclass(frozen=True)
class Window:
    """The earliest and the latest lawful instant (Unix seconds), and their arithmetic as text."""

    earliest: float
    latest: float
    arithmetic: str

    def holds(self, instant: float) -> bool:
        """Return whether an instant lies in the window, both ends included."""
        return self.earliest <= instant <= self.latest


@dataclass(frozen=True)
class Milestone:
    """One milestone of an alert (Unix seconds, None if it did not come) beside its lawful window.

    `judged` is False for a window that is only expected, and not required by the rule.
    """

    name: str
    at: float | None
    window: Window | None
    judged: bool = True

    @property
    def lawful(self) -> bool | None:
        """Return whether it came inside its window; None if there is nothing to compare."""
        if self.at is None or self.window is None:
            return None
        return self.window.holds(self.at)

    @property
    def margins(self) -> tuple[float, float] | None:
        """Return the seconds after the earliest and before the latest instant; negative outside of the window."""
        if self.at is None or self.window is None:
            return None
        return self.at - self.window.earliest, self.window.latest - self.at


@dataclass(frozen=True)
class Runbook:
    """Instructions for an alert: the link in its rule, and the path of the page if it was found."""

    url: str
    page: str | None = None


@dataclass(frozen=True)
class Verdict:
    """The verdict on one alert, with its reason in one sentence; `notes` say what could not be checked.

    `outside` is the milestone outside of its window that alone is the reason; None if there is another one.
    """

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
    outside: Milestone | None = None

    @property
    def explanation(self) -> str:
        """The reason for people: beside doubts about the drill stands why the alert was silent."""
        is_silent = self.outcome is VerdictOutcome.INCONCLUSIVE and not self.milestones
        if not is_silent or self.finding is None:
            return self.reason
        return f"{self.reason}; why it was silent: {self.finding.sentence}"


@dataclass(frozen=True)
class Doubt:
    """A reason why verdicts may be wrong; `alert` and `outcome` limit which verdicts.

    With `needs_effect` it does not undermine a verdict whose link is broken whatever the fault does.
    `of_machine` says that this machine was short of processor time, and that nothing else need be the reason.
    """

    text: str
    alert: str | None = None
    outcome: VerdictOutcome | None = None
    needs_effect: bool = False
    of_machine: bool = False

    @property
    def undermines_all(self) -> bool:
        """Return whether it undermines every verdict."""
        return self.alert is None and self.outcome is None

    def undermines(self, verdict: Verdict) -> bool:
        """Return whether it undermines a verdict."""
        if self.needs_effect and verdict.finding is not None and verdict.finding.is_structural:
            return False
        return self.alert in {None, verdict.alert} and self.outcome in {None, verdict.outcome}


@dataclass(frozen=True)
class Judgement:
    """All verdicts of one drill, and the doubts that undermine them.

    `allowed` names the alerts that fired, were not under test, and were allowed to fire.
    Milestones count from `fault_at` (Unix seconds). `audit_problems` are those of the payment audit.
    `doubts_of_machine` says that every doubt comes from a machine that was short of processor time.
    """

    verdicts: tuple[Verdict, ...]
    undermined_by: tuple[str, ...]
    allowed: tuple[str, ...]
    fault_at: float
    audit_problems: tuple[str, ...] = ()
    doubts_of_machine: bool = False

    @property
    def spoiled_by_machine(self) -> bool:
        """Whether it is inconclusive, and for want of processor time alone."""
        return self.exit_code == 3 and self.doubts_of_machine

    @property
    def exit_code(self) -> int:
        """Return the exit code: 0 passed, 1 an expectation or the audit failed, 3 inconclusive; 1 comes before 3.

        A drill that expects no alert, and in which none fired, has no verdict. It passed unless there is a doubt.
        """
        outcomes = {verdict.outcome for verdict in self.verdicts}
        if self.audit_problems or outcomes - {VerdictOutcome.PASSED, VerdictOutcome.INCONCLUSIVE}:
            return 1
        is_doubtful = VerdictOutcome.INCONCLUSIVE in outcomes or (not outcomes and self.undermined_by)
        return 3 if is_doubtful else 0
