"""When an alert was pending and firing, by letters: p pending, f firing, a dot if no sample was stored.

There is one evaluation a second; a bar between stretches means that the alert ended and began again.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertSamples
from alertdrill.agent.verdict.timeline import AlertTimeline, timelines
from tests.support.one_rule import ALERT, FIRST, START, alerts, watched


def _found(passed: Recording, samples: list[AlertSamples], **update: Any) -> list[AlertTimeline]:
    values = {"alerts": samples, "started_at": START, "ended_at": START + 30} | update
    return timelines(passed.model_copy(update=values), "QueueGrows", 1)


def _drawn(timeline: AlertTimeline) -> str:
    first = round(timeline.samples[0].at - FIRST)
    letters = {round(sample.at - FIRST): sample.state[0] for sample in timeline.samples}
    return "".join(letters.get(number, ".") for number in range(first, max(letters) + 1))


def _since(*seconds: int) -> list[int]:
    return [int(START) + one for one in seconds]


@pytest.mark.parametrize(
    ("states", "since", "stretches"),
    [
        ("ppff", None, ["ppff"]),
        ("..ppff..", None, ["ppff"]),
        ("ff", None, ["ff"]),
        # Without activeAt a gap ends the alert.
        ("pp.ff", None, ["pp", "ff"]),
        # The same activeAt after the gap: the evaluation was skipped, or failed.
        ("pp.ff", (0, 0, 0, 0), ["pp.ff"]),
        ("pp....ff", (0, 0, 0, 0), ["pp....ff"]),
        # A later activeAt: the alert ended in the gap.
        ("pp.pp", (0, 0, 3, 3), ["pp", "pp"]),
        ("ff.pp", (0, 0, 3, 3), ["ff", "pp"]),
        ("pp.pp.pp", (0, 0, 0, 0, 6, 6), ["pp.pp", "pp"]),
    ],
)
def test_a_gap_ends_an_alert_unless_its_activeat_stays_the_same(
    passed: Recording, states: str, since: tuple[int, ...] | None, stretches: list[str]
) -> None:
    samples = alerts(states, since=None if since is None else _since(*since))
    assert [_drawn(one) for one in _found(passed, samples)] == stretches


@pytest.mark.parametrize(
    ("states", "pending_at", "firing_at", "ended_at"),
    [
        (".pff..", 1, 2, 4),
        (".pp...", 1, None, 3),
        (".ff...", 1, 1, 3),
    ],
)
def test_its_instants_are_those_of_evaluations(
    passed: Recording, states: str, pending_at: int, firing_at: int | None, ended_at: int
) -> None:
    (found,) = _found(passed, alerts(states))
    assert found.pending_at == FIRST + pending_at
    assert found.firing_at == (None if firing_at is None else FIRST + firing_at)
    assert found.ended_at == FIRST + ended_at


@pytest.mark.parametrize(
    ("ended_at", "offset", "is_open"),
    [
        # Its last sample is of START + 3.2 s, the next evaluation would be a second later.
        (4.0, 0.0, True),
        # Samples can be queried only half a second after their evaluation.
        (4.6, 0.0, True),
        (4.8, 0.0, False),
        # With a query offset, the evaluation comes later than the instant of its samples.
        (4.8, 2.0, True),
        (6.8, 2.0, False),
    ],
)
def test_an_alert_whose_absence_cannot_have_been_stored_yet_is_still_active(
    passed: Recording, *, ended_at: float, offset: float, is_open: bool
) -> None:
    record = watched("TTTT", query_offset_seconds=offset)
    (found,) = _found(passed, alerts("ffff"), ended_at=START + ended_at, watched=[record])
    assert (found.ended_at is None) is is_open


def test_each_label_set_is_an_alert_of_its_own_in_the_order_of_time(passed: Recording) -> None:
    """One series ends when another one begins: the instance was replaced."""
    other = ALERT | {"instance": "new:80"}
    samples = [*alerts("....pf", labels=other), *alerts(".pff", labels=ALERT)]
    found = _found(passed, samples)
    assert [(one.labels["instance"], _drawn(one)) for one in found] == [("shop:80", "pff"), ("new:80", "pf")]


def test_an_empty_label_value_is_a_label_set_of_its_own(passed: Recording) -> None:
    samples = [*alerts("pf", labels=ALERT | {"zone": ""}), *alerts("pf", labels=ALERT)]
    assert len(_found(passed, samples)) == 2


def test_alerts_of_other_names_are_not_its_own(passed: Recording) -> None:
    assert _found(passed, alerts("pf", labels={"alertname": "Another"})) == []
    assert _found(passed, []) == []


def test_an_alert_that_began_again_within_its_second_is_not_taken_for_a_skip(passed: Recording) -> None:
    """Evaluated five times a second: gone at 0.6 s, begun again at 0.8 s, with the same activeAt in whole seconds."""
    instants = [START + 0.2, START + 0.4, START + 0.8, START + 1.0]
    samples = [AlertSamples(labels=ALERT, state="firing", instants=instants, since=_since(0, 0, 0, 0))]
    recording = passed.model_copy(update={"alerts": samples, "ended_at": START + 30})
    assert [len(one.samples) for one in timelines(recording, "QueueGrows", 0.2)] == [2, 2]


def test_each_sample_has_its_activeat_if_that_is_known(passed: Recording) -> None:
    (known,) = _found(passed, alerts("pf", since=_since(0, 0)))
    (unknown,) = _found(passed, alerts("pf"))
    assert [sample.since for sample in known.samples] == [math.floor(FIRST)] * 2
    assert [sample.since for sample in unknown.samples] == [None, None]
