"""Records of one rule that is evaluated once a second, written as letters: T if its condition held, F if not.

The first evaluation is at START + 0.2 s; each scrape is a tenth of a second before an evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from alertdrill.agent.recording.records import (
    AlertSamples,
    BetweenRecord,
    EvaluationRecord,
    GroupRecord,
    HeldRecord,
    PartRecord,
    RuleRecord,
    SeriesRecord,
    TargetRecord,
    WatchedRecord,
)

START = 1_790_000_000.0
FIRST = START + 0.2
QUEUE = {"__name__": "queue", "job": "shop", "instance": "shop:80"}
ALERT = {"alertname": "QueueGrows", "job": "shop", "instance": "shop:80"}
_OF = {"group": "orders", "file": "rules.yml"}


def rule(expr: str = "queue > 5", **update: Any) -> RuleRecord:
    values = {
        "alert": "QueueGrows",
        "expr": expr,
        "for_seconds": 0,
        "keep_firing_for_seconds": 0,
        "interval_seconds": 1,
        "labels": {},
        "annotations": {},
        "health": "ok",
    }
    return RuleRecord.model_validate(_OF | values | update)


def series(held: str, labels: dict[str, str] = QUEUE, value: float = 9.0) -> SeriesRecord:
    return SeriesRecord(labels=labels, first=0, values=[value if letter == "T" else None for letter in held])


def part(expr: str, *found: SeriesRecord, **update: Any) -> PartRecord:
    return PartRecord.model_validate({"expr": expr, "series": list(found), "total": len(found)} | update)


def watched(held: str, *, expr: str = "queue > 5", **update: Any) -> WatchedRecord:
    """Record a rule: its selector `queue` always finds the series, and the whole expression finds it at each T."""
    parts = [part(expr, series(held)), part("queue", series("T" * len(held)))]
    values = {"alert": "QueueGrows", "first_at": FIRST, "interval_seconds": 1, "count": len(held), "parts": parts}
    return WatchedRecord.model_validate(_OF | values | update)


def target(count: int, took: float = 0.01, *, instants: Sequence[float] | None = None, **update: Any) -> TargetRecord:
    """Return a target that is scraped once a second; `instants` are seconds after START."""
    at = [0.1 + number for number in range(count)] if instants is None else instants
    values = {
        "job": "shop",
        "instance": "shop:80",
        "interval_seconds": 1,
        "timeout_seconds": 1,
        "instants": [START + one for one in at],
        "up": [1] * len(at),
        "durations_seconds": [took] * len(at),
    }
    return TargetRecord.model_validate(values | update)


def between(held: str, labels: dict[str, str] = QUEUE) -> BetweenRecord:
    """Return looks every half a second from START on."""
    stretches = [(number, 1) for number, letter in enumerate(held) if letter == "T"]
    found = [HeldRecord(labels=labels, stretches=stretches)] if stretches else []
    return BetweenRecord(first_at=START, step_seconds=0.5, count=len(held), series=found)


def group(numbers: Iterable[int], late: float = 0.003, errors: dict[int, dict[str, str]] | None = None) -> GroupRecord:
    """Return some evaluations, by number, each between two looks half a second apart."""
    failed = errors or {}
    evaluations = [
        EvaluationRecord(
            at=FIRST + n + late, looked_before_at=FIRST + n - 0.2, looked_at=FIRST + n + 0.3, errors=failed.get(n, {})
        )
        for n in numbers
    ]
    return GroupRecord(**_OF, interval_seconds=1, evaluations=evaluations)


def alerts(
    states: str, *, labels: dict[str, str] = ALERT, first: float = FIRST, since: Sequence[int] | None = None
) -> list[AlertSamples]:
    """Return samples: p if the alert was pending, f if it was firing; `since` is for each sample, in order."""
    told = iter(since or [])
    stored = [
        (letter, first + number, next(told, None)) for number, letter in enumerate(states) if letter in {"p", "f"}
    ]
    return [
        AlertSamples(
            labels=labels,
            state=state,
            instants=[at for kind, at, _ in stored if kind == letter],
            since=[one for kind, _, one in stored if kind == letter and one is not None],
        )
        for letter, state in (("p", "pending"), ("f", "firing"))
        if any(kind == letter for kind, _, _ in stored)
    ]


def at_rest(record: WatchedRecord) -> WatchedRecord:
    """Return the record of a rule whose series keep their first value all the time, so that it is never true."""
    whole, *others = record.parts
    still = [one.model_copy(update={"series": [_still(series) for series in one.series]}) for one in others]
    return record.model_copy(update={"parts": [whole.model_copy(update={"series": [], "total": 0}), *still]})


def _still(of: SeriesRecord) -> SeriesRecord:
    return of.model_copy(update={"values": [of.values[0]] * len(of.values)})
