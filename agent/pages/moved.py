"""Compares a run with the one before it: by how much each step of an alert came earlier or later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from alertdrill.agent.api import wire

_STEPS = ("pending", "firing", "notified", "resolved")
# Less is the noise of scrapes and evaluations.
_WORTH_SECONDS = 1.0


@dataclass(frozen=True)
class Moved:
    """One step of an alert in two runs, in seconds after the fault, as text."""

    alert: str
    step: str
    before: str
    now: str
    by: str
    tone: str


def moved(before: Sequence[wire.Verdict], now: Sequence[wire.Verdict]) -> list[Moved]:
    """List the steps of the alerts that both runs, or one of them, saw."""
    old, new = _by_alert(before), _by_alert(now)
    return [row for alert in sorted(old.keys() | new.keys()) for row in _rows(alert, old.get(alert), new.get(alert))]


def _by_alert(verdicts: Iterable[wire.Verdict]) -> Mapping[str, wire.Verdict]:
    return {one.alert: one for one in reversed(list(verdicts)) if one.expected}


def _rows(alert: str, before: wire.Verdict | None, now: wire.Verdict | None) -> Iterator[Moved]:
    for step in _STEPS:
        old, new = _seconds(before, step), _seconds(now, step)
        if old is None and new is None:
            continue
        by = "" if old is None or new is None else f"{new - old:+.1f} s"
        yield Moved(alert, step, _words(old), _words(new), by or "—", _tone(old, new))


def _seconds(verdict: wire.Verdict | None, step: str) -> float | None:
    if verdict is None or (at := getattr(verdict, f"{step}_at")) is None:
        return None
    return float((at - verdict.fault_at).total_seconds())


def _words(seconds: float | None) -> str:
    return "not seen" if seconds is None else f"{seconds:.1f} s"


def _tone(before: float | None, now: float | None) -> str:
    if before is None or now is None:
        return "unsure"
    if abs(now - before) < _WORTH_SECONDS:
        return "soft"
    return "good" if now < before else "bad"
