"""One small drill, as recordings: an alert that passes, one that never crosses, one that nothing can be said of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from alertdrill.agent.config.drill import Drill
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import (
    AlertmanagerRecord,
    AlertSamples,
    FaultRecord,
    LoadRecord,
    NotificationRecord,
    PartRecord,
    PhaseRecord,
    PrometheusRecord,
    RuleRecord,
    SecondRecord,
    SeriesRecord,
    TargetRecord,
    WatchedRecord,
)

if TYPE_CHECKING:
    from playwright.async_api import Browser

START = 1_790_000_000.0
FAULT = START + 30
HEALED = FAULT + 60
END = HEALED + 50
SERIES = {"instance": "shop:80", "job": "orders"}
LABELS = {"alertname": "OrdersSlow", "severity": "page"} | SERIES
CONFIG = "route: {receiver: pager, group_wait: 2s, group_interval: 5s}\nreceivers: [{name: pager}]"


def _drill(summary: str) -> Drill:
    return Drill.model_validate(
        {
            "drill": "slow-database",
            "summary": summary,
            "load": {"rate": 100},
            "baseline": "30s",
            "expect": [{"alert": "OrdersSlow", "labels": {"severity": "page"}, "within": "50s", "receiver": "pager"}],
            "allow": ["QueueGrows"],
        }
    )


def _rule(alert: str, expr: str) -> RuleRecord:
    return RuleRecord(
        alert=alert,
        group="orders",
        file="rules.yml",
        expr=expr,
        for_seconds=10,
        keep_firing_for_seconds=0,
        interval_seconds=1,
        labels={"severity": "page"},
        annotations={},
        health="ok",
    )


def _second(index: int) -> SecondRecord:
    broken = FAULT <= START + index < HEALED
    failed, factor = (7 if broken else 0), (30 if broken else 1 + index % 3 / 10)
    return SecondRecord(
        at=START + index,
        due=100,
        succeeded=100 - failed,
        failed=failed,
        dropped=0,
        in_flight=3,
        p50_seconds=0.010 * factor,
        p95_seconds=0.022 * factor,
        p99_seconds=0.031 * factor,
    )


def _load() -> LoadRecord:
    seconds = [_second(index) for index in range(int(END - START))]
    failed = sum(second.failed for second in seconds)
    return LoadRecord(
        target_rate=100,
        due=14_000,
        succeeded=14_000 - failed,
        failed=failed,
        dropped=0,
        in_flight_at_end=0,
        reasons={"timeout": failed},
        details={"timeout": "no answer within 1 s"},
        lateness_p99_seconds=0.004,
        seconds=seconds,
    )


def _fires(recording: Recording) -> Recording:
    """Let the alert pend 5.2 s after the fault, fire 10 s later, be told of, and end 8.2 s after the undo."""
    first = FAULT + 5.2
    pending = [first + index for index in range(10)]
    firing = [first + 10 + index for index in range(53)]
    told = {"receiver": "pager", "labels": LABELS, "starts_at": first + 10}
    return recording.model_copy(
        update={
            "alerts": [
                AlertSamples(labels=LABELS, state="pending", instants=pending),
                AlertSamples(labels=LABELS, state="firing", instants=firing),
                AlertSamples(labels={"alertname": "QueueGrows"}, state="firing", instants=firing[5:30]),
            ],
            "notifications": [
                NotificationRecord(received_at=first + 12.1, status="firing", ends_at=None, **told),
                NotificationRecord(received_at=first + 67, status="resolved", ends_at=first + 63, **told),
            ],
        }
    )


def _watched(largest: float) -> WatchedRecord:
    """Evaluate OrdersSlow again: true from 5.2 s after the fault to 8.2 s after the undo, if it is at all."""
    first, count = START + 0.2, int(END - START)
    grid = [first + number for number in range(count)]
    values = [largest if FAULT + 5 <= at < HEALED + 8 else 0.02 for at in grid]
    value = SeriesRecord(labels={"__name__": "orders:p95_seconds"} | SERIES, first=0, values=values)
    true = [number for number, one in enumerate(values) if one > 0.5]
    held = [SeriesRecord(labels=value.labels, first=true[0], values=[largest] * len(true))] if true else []
    return WatchedRecord(
        alert="OrdersSlow",
        group="orders",
        file="rules.yml",
        first_at=first,
        interval_seconds=1,
        count=count,
        parts=[
            PartRecord(expr="orders:p95_seconds > 0.5", series=held, total=len(held)),
            PartRecord(expr="orders:p95_seconds", series=[value], total=1),
        ],
    )


def _target() -> TargetRecord:
    """Scraped every second, a tenth of a second before each evaluation."""
    instants = [START + 0.1 + number for number in range(int(END - START))]
    return TargetRecord(
        job="orders",
        instance="shop:80",
        interval_seconds=1,
        timeout_seconds=1,
        instants=instants,
        up=[1] * len(instants),
        durations_seconds=[0.01] * len(instants),
    )


def _quiet(summary: str, largest: float) -> Recording:
    return Recording(
        alertdrill="0.1.0",
        drill=_drill(summary),
        time_scale=1,
        started_at=START,
        ended_at=END,
        phases=[
            PhaseRecord(phase="baseline", started_at=START, ended_at=FAULT),
            PhaseRecord(phase="fault", started_at=FAULT, ended_at=HEALED),
            PhaseRecord(phase="recovery", started_at=HEALED, ended_at=END),
        ],
        faults=[
            FaultRecord(
                kind="latency",
                target="proxy postgres (downstream)",
                settings={"latency": "300ms", "jitter": "20ms"},
                injected_at=FAULT,
                healed_at=HEALED,
            )
        ],
        load=_load(),
        prometheus=PrometheusRecord(version="3.5.0", for_grace_seconds=600),
        alertmanager=AlertmanagerRecord(version="0.28.1", config=CONFIG),
        rules=[_rule("OrdersSlow", "orders:p95_seconds > 0.5"), _rule("QueueGrows", "queue_length > 100")],
        watched=[_watched(largest)],
        targets=[_target()],
        active=[],
        alerts=[],
        notifications=[],
        outages=[],
    )


@pytest.fixture
def passed() -> Recording:
    """A drill whose alert does everything inside its windows."""
    return _fires(_quiet("The database answers 300 ms late.", 0.66))


@pytest.fixture
def missed() -> Recording:
    """A drill whose alert stays just below its threshold."""
    return _quiet("The database answers 300 ms late.", 0.48)


@pytest.fixture
def inconclusive(passed: Recording) -> Recording:
    """A drill that was broken off."""
    return passed.model_copy(update={"aborted": "somebody pressed Ctrl-C"})


def _hostile(record: WatchedRecord, evil: str) -> WatchedRecord:
    whole, value = record.parts
    changed = [one.model_copy(update={"labels": {"le": evil}}) for one in value.series]
    return record.model_copy(update={"parts": [whole, value.model_copy(update={"series": changed})]})


@pytest.fixture
def hostile(passed: Recording) -> Recording:
    """A drill whose every foreign text wants to be markup."""
    evil = "<script>alert(1)</script>[bold]"
    labels = {**LABELS, "instance": evil}
    return passed.model_copy(
        update={
            "drill": passed.drill.model_copy(update={"summary": evil}),
            "aborted": f"{evil}\x1b\x00",
            "alerts": [series.model_copy(update={"labels": labels}) for series in passed.alerts[:2]],
            "notifications": [told.model_copy(update={"receiver": evil}) for told in passed.notifications],
            "faults": [fault.model_copy(update={"kind": evil, "target": evil}) for fault in passed.faults],
            "watched": [_hostile(record, evil) for record in passed.watched],
        }
    )


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A real browser for all tests of a worker; most need none, and its library is large."""
    from tests.support.browsing import chromium

    async with chromium() as browser:
        yield browser
