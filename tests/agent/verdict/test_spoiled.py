"""Which inconclusive drills nothing but a busy machine spoiled: only those are worth another try."""

from __future__ import annotations

from typing import Any

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import (
    AlertSamples,
    AuditRecord,
    FoundRecord,
    MachineRecord,
    OutageRecord,
    StrainRecord,
)
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import VerdictOutcome

IDLE = {"loop_lag_seconds": 0.002, "busy": 0.2, "stolen": 0.0, "contended": 0.05}
STRAINS: dict[str, dict[str, float]] = {
    "late": IDLE | {"loop_lag_seconds": 0.4},
    "crowded": IDLE | {"busy": 1.0, "contended": 0.97},
    "stolen": IDLE | {"stolen": 0.5},
    "throttled": IDLE | {"throttled": 0.6},
    "queued": IDLE | {"queued": 0.4},
}
BUSY = STRAINS["crowded"]


def _on(recording: Recording, strain: dict[str, float], share: float = 1.0, *, here: bool = True) -> Recording:
    """Let the machine be strained for the first share of the drill, and idle afterwards."""
    count = int(2 * (recording.ended_at - recording.started_at))
    slices = [
        StrainRecord(at=recording.started_at + number / 2, seconds=0.5, **(strain if number < share * count else IDLE))
        for number in range(count)
    ]
    return recording.model_copy(update={"machine": MachineRecord(has_prometheus=here, slices=slices)})


def _late_load(recording: Recording) -> dict[str, Any]:
    return {"load": recording.load.model_copy(update={"lateness_p99_seconds": 0.9})}


def _unready(recording: Recording) -> dict[str, Any]:
    early = AlertSamples(
        labels={"alertname": "Other"},
        state="firing",
        instants=[recording.started_at + 1],
    )
    said = "nothing was broken, because Other fired already"
    return {"alerts": [early], "faults": [], "aborted": said, "aborted_by": "unready"}


def _hung(recording: Recording) -> dict[str, Any]:
    outage = OutageRecord(
        server="Prometheus", reason="TimeoutError", first_at=recording.started_at + 3, last_at=recording.started_at + 8
    )
    return {"outages": [outage]}


def _aborted(by: str) -> Any:
    return lambda _: {"aborted": "it did not come in time", "aborted_by": by}


SPOILED: dict[str, Any] = {
    "the load was late": _late_load,
    "an alert fired before": _unready,
    "a server did not answer": _hung,
    "a fault was not injected in time": _aborted("timeout"),
    "the watchdog was silent": _aborted("watchdog"),
}


@pytest.mark.parametrize("change", SPOILED.values(), ids=SPOILED)
@pytest.mark.parametrize("strain", STRAINS.values(), ids=STRAINS)
def test_a_drill_on_a_busy_machine_is_spoiled(passed: Recording, change: Any, strain: dict[str, float]) -> None:
    judgement = judge(_on(passed.model_copy(update=change(passed)), strain))
    assert judgement.exit_code == 3
    assert judgement.spoiled_by_machine


@pytest.mark.parametrize("change", SPOILED.values(), ids=SPOILED)
@pytest.mark.parametrize("why", ["idle", "for a moment", "elsewhere", "unknown"])
def test_without_a_busy_machine_it_is_only_inconclusive(passed: Recording, change: Any, why: str) -> None:
    recording = passed.model_copy(update=change(passed))
    on = {
        "idle": lambda: _on(recording, IDLE),
        "for a moment": lambda: _on(recording, BUSY, share=0.01),
        "elsewhere": lambda: _on(recording, BUSY, here=False),
        "unknown": lambda: recording,
    }
    judgement = judge(on[why]())
    assert judgement.exit_code == 3
    assert not judgement.spoiled_by_machine


@pytest.mark.parametrize(
    "other",
    [
        {"aborted": "stopped by POST /-/stop from 127.0.0.1"},
        {"aborted": "somebody pressed Ctrl-C"},
        {"rules_at_end": []},
        {"alertmanager": {"config_at_end": "route: {receiver: nobody}"}},
    ],
)
def test_another_reason_besides_is_enough_against_it(passed: Recording, other: dict[str, Any]) -> None:
    change = _late_load(passed) | other
    if "alertmanager" in other:
        change["alertmanager"] = passed.alertmanager.model_copy(update=other["alertmanager"])
    judgement = judge(_on(passed.model_copy(update=change), BUSY))
    assert judgement.exit_code == 3
    assert not judgement.spoiled_by_machine


def _told_late(recording: Recording, seconds: float) -> Recording:
    """Let the receiver be notified so long after the end of the window."""
    (verdict,) = judge(recording).verdicts
    notified = next(one for one in verdict.milestones if one.name == "notified")
    assert notified.margins is not None
    shift = notified.margins[1] + seconds
    later = [one.model_copy(update={"received_at": one.received_at + shift}) for one in recording.notifications]
    return recording.model_copy(update={"notifications": later})


@pytest.mark.parametrize("strain", STRAINS.values(), ids=STRAINS)
def test_a_notification_that_a_busy_machine_held_up_spoils_a_drill(passed: Recording, strain: dict[str, float]) -> None:
    judgement = judge(_on(_told_late(passed, 0.5), strain))
    assert judgement.spoiled_by_machine
    (why,) = judgement.undermined_by
    assert why.startswith(
        "the notification of OrdersSlow came 0.50 s too late, and this machine's processors were busy: "
    )


@pytest.mark.parametrize(
    ("strain", "seconds", "here"),
    [
        (IDLE, 0.5, True),
        # Busy processors alone do not take a minute, and neither does such a lag.
        (STRAINS["crowded"], 60, True),
        (STRAINS["late"], 60, True),
        # Elsewhere, other programs of this machine do not hold it up.
        (STRAINS["crowded"], 0.5, False),
    ],
)
def test_a_notification_that_the_machine_did_not_hold_up_is_late(
    passed: Recording, strain: dict[str, float], seconds: float, *, here: bool
) -> None:
    judgement = judge(_on(_told_late(passed, seconds), strain, here=here))
    assert [one.outcome for one in judgement.verdicts] == [VerdictOutcome.LATE]


def test_a_notification_is_late_if_a_fault_of_the_drill_took_the_processors(passed: Recording) -> None:
    late = _told_late(passed, 0.5)
    faults = [one.model_copy(update={"kind": "cpu"}) for one in late.faults]
    judgement = judge(_on(late.model_copy(update={"faults": faults}), BUSY))
    assert [one.outcome for one in judgement.verdicts] == [VerdictOutcome.LATE]


def test_a_busy_machine_does_not_excuse_an_alert_that_fired_after_its_budget(passed: Recording) -> None:
    values = passed.drill.model_dump(by_alias=True, mode="json")
    values["expect"][0]["within"] = "10s"
    late = _told_late(passed, 0.5).model_copy(update={"drill": type(passed.drill).model_validate(values)})
    judgement = judge(_on(late, BUSY))
    assert [one.outcome for one in judgement.verdicts] == [VerdictOutcome.LATE]


def test_a_load_that_was_late_because_alertdrill_was_held_up_once_is_spoiled(passed: Recording) -> None:
    late = passed.model_copy(update=_late_load(passed))
    for seconds, is_spoiled in ((0.1, False), (1.2, True)):
        judgement = judge(_on(late, IDLE | {"loop_lag_seconds": seconds}, share=0.01))
        assert judgement.spoiled_by_machine is is_spoiled


def test_a_verdict_without_doubt_is_not_spoiled_however_busy_the_machine(passed: Recording, missed: Recording) -> None:
    for recording, code in ((passed, 0), (missed, 1)):
        judgement = judge(_on(recording, BUSY))
        assert judgement.exit_code == code
        assert not judgement.spoiled_by_machine


def test_a_failed_audit_is_not_spoiled(passed: Recording) -> None:
    """Lost money is lost, whatever the machine did."""
    lost = FoundRecord(count=1, examples=["k1"])
    audit = AuditRecord(acknowledged=9, found=8, missing=lost, balance_before=0, balance_after=0)
    judgement = judge(_on(passed.model_copy(update=_late_load(passed) | {"audit": audit}), BUSY))
    assert judgement.exit_code == 1
    assert not judgement.spoiled_by_machine
