"""Many drills together: which alerts were proven when, and how long each takes to fire.

Times of another drill or at another time scale are not comparable: each has its own track.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from alertdrill.agent.history.index import IndexedVerdict, ReviewedRun
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.verdict.verdict import Judgement, Verdict, VerdictOutcome


@dataclass(frozen=True)
class DrillRun:
    """The verdict on one alert in one drill; `is_expected` where the drill expects that alert.

    `detected_after` is the time from the fault to firing, in seconds; None where the alert did not fire, or where the
    verdict is inconclusive.
    """

    at: float
    drill: str
    time_scale: float
    alert: str
    outcome: VerdictOutcome
    reason: str
    detected_after: float | None
    is_expected: bool = True


@dataclass(frozen=True)
class DrillResult:
    """One recording as the review needs it: its start (Unix seconds), exit code, verdicts, and the alerts of its rules."""

    at: float
    exit_code: int
    runs: tuple[DrillRun, ...]
    alerts: frozenset[str]


@dataclass(frozen=True)
class Track:
    """The runs of one alert in one drill at one time scale, by time."""

    alert: str
    drill: str
    time_scale: float
    runs: tuple[DrillRun, ...]

    @property
    def proven_at(self) -> float | None:
        """When it passed last."""
        return max((run.at for run in self.runs if run.outcome is VerdictOutcome.PASSED), default=None)

    @property
    def outcomes(self) -> list[tuple[VerdictOutcome, int]]:
        """How often each verdict was given, the most frequent first."""
        return Counter(run.outcome for run in self.runs).most_common()

    @property
    def detected_after(self) -> list[float]:
        """The seconds from fault to firing of every run in which it fired."""
        return [run.detected_after for run in self.runs if run.detected_after is not None]

    @property
    def change(self) -> float | None:
        """Seconds by which the last detection was slower than the median of those before; None without earlier ones."""
        *before, last = self.detected_after or [0.0]
        return last - median(before) if before else None


@dataclass(frozen=True)
class Unproven:
    """An alert that never passed, and its last run; None where no drill expected it."""

    alert: str
    last: DrillRun | None


@dataclass(frozen=True)
class Review:
    """All drills since an instant (Unix seconds), or of all time where `since` is None.

    `exit_codes` counts the drills by exit code. `damaged` has a line for each recording that could not be read.
    """

    since: float | None
    until: float
    drills: int
    exit_codes: Counter[int]
    tracks: tuple[Track, ...]
    unproven: tuple[Unproven, ...]
    alerts: int
    damaged: tuple[str, ...] = ()


def drill_result(recording: Recording, judgement: Judgement) -> DrillResult:
    """Extract from a drill what a review needs."""
    expected = {expectation.alert for expectation in recording.drill.expect}
    runs = [
        DrillRun(
            at=recording.started_at,
            drill=recording.drill.name,
            time_scale=recording.time_scale,
            alert=verdict.alert,
            outcome=verdict.outcome,
            reason=verdict.explanation,
            detected_after=_detected_after(verdict, judgement.fault_at) if verdict.alert in expected else None,
            is_expected=verdict.alert in expected,
        )
        for verdict in judgement.verdicts
    ]
    alerts = frozenset(rule.alert for rule in recording.rules)
    return DrillResult(recording.started_at, judgement.exit_code, tuple(runs), alerts)


def run_result(run: ReviewedRun) -> DrillResult:
    """Make of a run in the history what a review needs."""
    runs = [
        DrillRun(
            at=run.started_at,
            drill=run.drill,
            time_scale=run.time_scale,
            alert=one.alert,
            outcome=one.outcome,
            reason=one.explanation,
            detected_after=_indexed_after(one),
            is_expected=one.is_expected,
        )
        for one in run.verdicts
    ]
    return DrillResult(run.started_at, run.exit_code, tuple(runs), run.alerts)


def _indexed_after(verdict: IndexedVerdict) -> float | None:
    is_known = verdict.is_expected and verdict.outcome is not VerdictOutcome.INCONCLUSIVE
    return verdict.firing_at - verdict.fault_at if is_known and verdict.firing_at is not None else None


def _detected_after(verdict: Verdict, fault_at: float) -> float | None:
    # The alert may have fired before the fault, or for another reason.
    if verdict.outcome is VerdictOutcome.INCONCLUSIVE:
        return None
    fired = next((one.at for one in verdict.milestones if one.name == "firing"), None)
    return None if fired is None else fired - fault_at


def review(
    drills: Sequence[DrillResult],
    *,
    until: float,
    since: float | None = None,
    alerts: Iterable[str] | None = None,
    damaged: Iterable[str] = (),
) -> Review:
    """Summarise drills; `alerts` are those to prove, by default those of the rules of the last drill."""
    recent = sorted((one for one in drills if since is None or one.at >= since), key=lambda one: one.at)
    wanted = frozenset(alerts) if alerts is not None else (recent[-1].alerts if recent else frozenset())
    tracks = _tracks(run for one in recent for run in one.runs)
    return Review(
        since=since,
        until=until,
        drills=len(recent),
        exit_codes=Counter(one.exit_code for one in recent),
        tracks=tracks,
        unproven=tuple(_unproven(tracks, wanted)),
        alerts=len(wanted),
        damaged=tuple(damaged),
    )


def _tracks(runs: Iterable[DrillRun]) -> tuple[Track, ...]:
    found: dict[tuple[str, str, float], list[DrillRun]] = defaultdict(list)
    for run in runs:
        found[run.alert, run.drill, run.time_scale].append(run)
    return tuple(Track(*key, tuple(of_key)) for key, of_key in sorted(found.items()))


def _unproven(tracks: Sequence[Track], wanted: Iterable[str]) -> Iterable[Unproven]:
    for alert in sorted(wanted):
        mine = [track for track in tracks if track.alert == alert]
        if all(track.proven_at is None for track in mine):
            tested = (run for track in mine for run in track.runs if run.is_expected)
            yield Unproven(alert, max(tested, key=lambda run: run.at, default=None))
