"""What the load says of itself: was it as asked for, was the baseline quiet, did the fault show."""

from __future__ import annotations

from statistics import median

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import LoadRecord, SecondRecord
from alertdrill.probes.figures.honesty import Sending, honesty

_LARGEST_BASELINE_FAILED_SHARE = 0.01


def load_problems(recording: Recording) -> list[str]:
    """Say why the load, or a surge of it, was not what the drill asked for; nothing when it was."""
    loads = {"the load": recording.load} | {
        f"the surge of {one.target}": one.load for one in recording.faults if one.load
    }
    return [f"{name} {reason}" for name, load in loads.items() for reason in honesty(_sending(load)).reasons]


def _sending(load: LoadRecord) -> Sending:
    # A load too short for one whole second has no rate.
    sent = sum(second.due - second.dropped for second in load.seconds)
    return Sending(
        target_rate=load.target_rate if load.seconds else 0.0,
        achieved_rate=sent / len(load.seconds) if load.seconds else 0.0,
        due=load.due,
        dropped=load.dropped,
        lost=0,  # a drill's load has no workers
        lateness_p99_seconds=load.lateness_p99_seconds,
    )


def baseline_problems(recording: Recording) -> list[str]:
    """Say why transactions before the fault do not count as healthy; nothing when they do."""
    seconds = _during(recording, "baseline")
    succeeded = sum(second.succeeded for second in seconds)
    failed = sum(second.failed for second in seconds)
    if succeeded + failed == 0:
        return ["no transaction ended during the baseline"]
    if failed > _LARGEST_BASELINE_FAILED_SHARE * (succeeded + failed):
        why = ", ".join(f"{reason}: {detail}" for reason, detail in recording.load.details.items())
        return [f"{failed} of {succeeded + failed} transactions failed before any fault ({why})"]
    return []


def effect_problems(recording: Recording) -> list[str]:
    """Say that the faults did not show in the traffic; nothing when they did, or when there were none.

    They show when the median p95 grows by half and 10 ms, when failures grow by one in a hundred, or
    when a tenth fewer transactions end. A surge is traffic itself.
    """
    if not recording.faults or any(fault.load for fault in recording.faults):
        return []
    before, during = _during(recording, "baseline"), _during(recording, "fault")
    slower = _p95(during) > 1.5 * _p95(before) + 0.010
    failing = _failed_share(during) > _failed_share(before) + 0.01
    fewer = _ended(during) < 0.9 * _ended(before)
    if slower or failing or fewer:
        return []
    seen = f"p95 {_p95(before):.3f} s before, {_p95(during):.3f} s during, as many transactions, as few failures"
    escaped = [f"; of {fault.target}: {fault.outcome}" for fault in recording.faults if fault.outcome]
    return [f"the fault had no effect on the traffic ({seen}{''.join(escaped)})"]


def _during(recording: Recording, phase: str) -> list[SecondRecord]:
    return [
        second
        for record in recording.phases
        if record.phase == phase
        for second in recording.load.seconds
        if record.started_at <= second.at and second.at + 1 <= record.ended_at
    ]


def _p95(seconds: list[SecondRecord]) -> float:
    values = [second.p95_seconds for second in seconds if second.p95_seconds is not None]
    return median(values) if values else 0.0


def _failed_share(seconds: list[SecondRecord]) -> float:
    ended = sum(second.succeeded + second.failed for second in seconds)
    return sum(second.failed for second in seconds) / ended if ended else 0.0


def _ended(seconds: list[SecondRecord]) -> float:
    return sum(second.succeeded + second.failed for second in seconds) / len(seconds) if seconds else 0.0
