"""The state machine, by tables: one letter for the result of each evaluation, one for the observed state.

T it held, F it did not, ? unknown, - the evaluation may not have taken place; i inactive, p pending, f firing.
"""

from __future__ import annotations

import pytest

from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.verdict.engine import Status, follow
from alertdrill.agent.verdict.evaluations import Evaluation

_HOLDS = {"T": True, "F": False, "?": None, "-": True}
_STATES: dict[str, Status] = {"i": "inactive", "p": "pending", "f": "firing"}


def _rule(for_seconds: float, keep_seconds: float = 0) -> RuleRecord:
    return RuleRecord(
        alert="A",
        group="g",
        expr="a > 1",
        for_seconds=for_seconds,
        keep_firing_for_seconds=keep_seconds,
        interval_seconds=1,
        labels={},
        annotations={},
        health="ok",
    )


def _breaches(seen: str, observed: str, rule: RuleRecord) -> list[tuple[int, bool]]:
    ticks = [Evaluation(float(number), _HOLDS[letter], letter != "-") for number, letter in enumerate(seen)]
    states = {float(number): _STATES[letter] for number, letter in enumerate(observed)}
    return [(round(breach.at), breach.is_early) for breach in follow(ticks, states, rule)]


@pytest.mark.parametrize(
    ("for_seconds", "keep", "seen", "observed"),
    [
        (0, 0, "FTTF", "iffi"),
        (2, 0, "FTTTF", "ippfi"),
        (1.5, 0, "FTTTF", "ippfi"),
        (0.5, 0, "FTTF", "ipfi"),
        (2, 0, "TTFTTTF", "ppippfi"),
        (0, 2, "TFFF", "fffi"),
        (0, 2, "TFTFFF", "fffffi"),
        (0, 0.5, "TFF", "ffi"),
        (2, 0, "F?TTT", "iippf"),
        (2, 0, "F?TTT", "ippff"),
        (2, 0, "T-TF", "pifi"),
        (2, 0, "T?TT", "pipp"),
    ],
)
def test_following_the_rule_is_not_a_breach(for_seconds: float, keep: float, seen: str, observed: str) -> None:
    assert _breaches(seen, observed, _rule(for_seconds, keep)) == []


@pytest.mark.parametrize(
    ("for_seconds", "keep", "seen", "observed", "first"),
    [
        (2, 0, "FTTTF", "ipffi", (2, True)),
        (2, 0, "FTTTTF", "ipppfi", (3, False)),
        (2, 0, "TTFT", "ppif", (3, True)),
        (0, 2, "TFFF", "fiii", (1, False)),
        (0, 0, "TFF", "ffi", (1, True)),
        (0, 0, "FTF", "iii", (1, False)),
        (0, 0, "FF", "if", (1, True)),
        (2, 0, "TTT", "ppp", (2, False)),
    ],
)
def test_every_other_course_is_a_breach(
    for_seconds: float, keep: float, seen: str, observed: str, first: tuple[int, bool]
) -> None:
    assert _breaches(seen, observed, _rule(for_seconds, keep))[0] == first
