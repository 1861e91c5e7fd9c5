"""What the load says of itself: was it as asked for, was the baseline quiet, did the fault show."""

from __future__ import annotations

from statistics import median

from agent.recording import Recording, SecondRecord

_LARGEST_DROPPED_SHARE = 0.01
_SMALLEST_RATE_SHARE = 0.95
_LARGEST_BASELINE_FAILED_SHARE = 0.01
_LARGEST_LATENESS_SECONDS = 0.5


def load_problems(recording: Recording) -> list[str]:
    """Say why the load was not what the drill asked for; nothing when it was."""
    load, problems = recording.load, []
    if load.due == 0:
        return ["the load did not run: no transaction was due"]
    if load.dropped > _LARGEST_DROPPED_SHARE * load.due:
        problems.append(f"the load dropped {load.dropped} of {load.due} transactions")
    if load.seconds:
        rate = sum(second.due for second in load.seconds) / len(load.seconds)
        if rate < _SMALLEST_RATE_SHARE * load.target_rate:
            problems.append(f"the load reached {rate:.1f} transactions a second of {load.target_rate:g}")
    if load.lateness_p99_seconds > _LARGEST_LATENESS_SECONDS:
        problems.append(f"the load was sent late: p99 {load.lateness_p99_seconds:.2f} s behind its schedule")
    return problems


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
    when a tenth fewer transactions end.
    """
    if not recording.faults:
        return []
    before, during = _during(recording, "baseline"), _during(recording, "fault")
    slower = _p95(during) > 1.5 * _p95(before) + 0.010
    failing = _failed_share(during) > _failed_share(before) + 0.01
    fewer = _ended(during) < 0.9 * _ended(before)
    if slower or failing or fewer:
        return []
    p95s = f"p95 {_p95(before):.3f} s before, {_p95(during):.3f} s during"
    return [f"the fault had no effect on the traffic ({p95s}, as many transactions, as few failures)"]


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
