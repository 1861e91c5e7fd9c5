"""A field of an object is found by its path, and compared with the value that it must get."""

from __future__ import annotations

import pytest

from alertdrill.chaos.kubernetes.field_value import unmet

CHAOS = {
    "metadata": {"annotations": {"example.com/state": "on"}},
    "status": {
        "conditions": [{"type": "Selected", "status": "True"}, {"type": "AllInjected", "status": "False"}],
        "phase": "Running",
        "count": 3,
        "ready": True,
        "nothing": None,
        "experiments": [{"name": "delay", "verdict": "Pass"}],
        "long": "x\n" * 200,
    },
}


@pytest.mark.parametrize(
    "written",
    [
        "status.conditions[Selected]=True",
        ".status.phase=Running",
        "status.count=3",
        "status.ready=true",
        "status.nothing=null",
        "status.conditions[0].status=True",
        "status.experiments[delay].verdict=Pass",
        "metadata.annotations[example.com/state]=on",
        "status.conditions['AllInjected'].type=AllInjected",
    ],
)
def test_a_field_that_has_the_value_is_met(written: str) -> None:
    assert unmet(written, CHAOS) == ""


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("status.conditions[AllInjected]=True", "status.conditions[AllInjected] is False, expected True"),
        ("status.conditions[AllRecovered]=True", "status.conditions[AllRecovered] is not there, expected True"),
        ("status.conditions[7]=True", "status.conditions[7] is not there, expected True"),
        ("status.phase.deeper=1", "status.phase.deeper is not there, expected 1"),
        ("status.ready=True", "status.ready is true, expected True"),
        ("state=a=b", "state is not there, expected a=b"),
    ],
)
def test_any_other_field_is_told(written: str, told: str) -> None:
    assert unmet(written, CHAOS) == told


def test_a_long_value_is_shortened() -> None:
    told = unmet("status.long=x", CHAOS)
    assert len(told) < 130
    assert "\n" not in told
