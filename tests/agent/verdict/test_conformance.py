"""Every series of a rule, followed beside its samples: one evaluation a second, letters are T and F, i, p and f."""

from __future__ import annotations

from typing import Any

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertSamples, RuleRecord, SeriesRecord, TargetRecord
from alertdrill.agent.verdict.conformance import breaches, nearest
from alertdrill.agent.verdict.evaluations import RuleEvaluations
from alertdrill.agent.verdict.timeline import timelines
from tests.support.one_rule import ALERT, FIRST, QUEUE, START, alerts, part, rule, series, target, watched

OTHER, OTHER_ALERT = QUEUE | {"instance": "new:80"}, ALERT | {"instance": "new:80"}
HELD = "FFTTTTFF"


def _breaches(
    passed: Recording, found: list[SeriesRecord], samples: list[AlertSamples], of: RuleRecord, **update: Any
) -> list[tuple[float, str]]:
    """Return after how many evaluations each breach came, and the observed state."""
    parts = [part(of.expr, *found, **update), part("queue", *(series("T" * 30, one.labels) for one in found))]
    record = watched("F" * 8, parts=parts)
    scraped: list[TargetRecord] = [target(30), target(30, instance="new:80")]
    values = {"alerts": samples, "watched": [record], "targets": scraped, "groups": []}
    recording = passed.model_copy(update=values | {"started_at": START, "ended_at": START + 30})
    active = timelines(recording, of.alert, 1)
    return [
        (round(one.at - FIRST, 1), one.observed) for one in breaches(RuleEvaluations(recording, record), of, active)
    ]


@pytest.mark.parametrize(
    ("held", "states", "for_seconds", "found"),
    [
        (HELD, "iippffii", 2, []),
        (HELD, "iiffffii", 0, []),
        ("FFFFFFFF", "iiiiiiii", 2, []),
        (HELD, "iiiippii", 2, [(2, "inactive"), (3, "inactive")]),
        (HELD, "iippffff", 2, [(6, "firing"), (7, "firing")]),
        ("FFFFFFFF", "iippiiii", 2, [(2, "pending"), (3, "pending")]),
    ],
)
def test_a_rule_is_followed_from_the_first_evaluation_to_the_last(
    passed: Recording, held: str, states: str, for_seconds: float, found: list[tuple[float, str]]
) -> None:
    assert _breaches(passed, [series(held)], alerts(states), rule(for_seconds=for_seconds)) == found


def test_an_alert_that_was_active_before_the_record_began_goes_on_from_there(passed: Recording) -> None:
    """It became pending 1.5 s before: with `for: 3s` it fires at the third evaluation."""
    of = rule(for_seconds=3)
    since = [int(START) - 2] * 6
    assert _breaches(passed, [series("TTTTFFFF")], alerts("ppffii", since=since[:4]), of) == []
    assert _breaches(passed, [series("TTTTFFFF")], alerts("ppppii", since=since[:4]), of)[0] == (2, "pending")
    assert _breaches(passed, [series("TTTTFFFF")], alerts("ffffii", since=[int(START) - 60] * 4), of) == []


def test_without_activeat_a_first_sample_may_be_of_any_age_or_new(passed: Recording) -> None:
    assert _breaches(passed, [series("TTTTFFFF")], alerts("ffffiiii"), rule(for_seconds=3)) == []


@pytest.mark.parametrize(("shift", "found"), [(0.004, []), (0.5, [(2.5, "firing"), (3.5, "firing")])])
def test_samples_between_evaluations_come_from_another_server(
    passed: Recording, shift: float, found: list[tuple[float, str]]
) -> None:
    samples = alerts("..ff....", first=FIRST + shift)
    assert _breaches(passed, [series("FFTTFFFF")], samples, rule()) == found


def test_an_alert_without_any_series_should_not_be_there(passed: Recording) -> None:
    found = _breaches(passed, [series(HELD)], [*alerts("iiffffii"), *alerts("iiifiiii", labels=OTHER_ALERT)], rule())
    assert found == [(3, "firing")]


def test_a_series_whose_alert_never_came_is_a_breach(passed: Recording) -> None:
    found = _breaches(passed, [series(HELD), series("FFFTTFFF", OTHER)], alerts("iiffffii"), rule())
    assert found == [(3, "inactive"), (4, "inactive")]


def test_an_alert_follows_its_labels_when_they_change_in_the_middle(passed: Recording) -> None:
    """The instance is replaced: one series ends when another begins, and `for` begins again."""
    of, both = rule(for_seconds=2), [series("TTTTFFFF"), series("FFFFTTTT", OTHER)]
    new = alerts("iiiippff", labels=OTHER_ALERT)
    assert _breaches(passed, both, [*alerts("ppffiiii"), *new], of) == []
    carried_over = alerts("iiiiffff", labels=OTHER_ALERT)
    assert _breaches(passed, both, [*alerts("ppffiiii"), *carried_over], of)[0] == (4, "firing")


@pytest.mark.parametrize("update", [{"error": "many-to-many"}, {"total": 51}])
def test_a_rule_with_series_that_were_not_kept_has_no_breaches(passed: Recording, update: dict[str, Any]) -> None:
    assert _breaches(passed, [series(HELD)], alerts("ffffffff"), rule(), **update) == []


def test_a_rule_that_was_not_evaluated_again_has_no_breaches(passed: Recording) -> None:
    assert breaches(None, rule(), timelines(passed, "OrdersSlow", 1)) == []


def test_a_rule_that_had_no_evaluation_has_no_breach(passed: Recording) -> None:
    record = watched("", parts=[part("queue > 5")])
    recording = passed.model_copy(update={"alerts": alerts("ff")})
    assert breaches(RuleEvaluations(recording, record), rule(), timelines(recording, "QueueGrows", 1)) == []


@pytest.mark.parametrize(("at", "found"), [(-5.0, 0.0), (0.4, 0.0), (0.6, 1.0), (1.0, 1.0), (9.0, 2.0)])
def test_the_nearest_instant_is_found(at: float, found: float) -> None:
    assert nearest([0.0, 1.0, 2.0], at) == found


@pytest.mark.parametrize(
    ("ended", "looks_back", "found"),
    [
        # The evaluation at 7.2 fires as all before it, but its sample is missing.
        (8.0, 0.0, [(7, "inactive")]),
        (7.8, 0.0, [(7, "inactive")]),
        # Half a second later the sample may still be missing.
        (7.6, 0.0, []),
        # With a query offset it comes later by that offset.
        (8.0, 0.5, []),
        (8.3, 0.5, [(7, "inactive")]),
    ],
)
def test_the_last_evaluation_may_not_be_stored_yet_when_the_record_ends(
    passed: Recording, ended: float, looks_back: float, found: list[tuple[float, str]]
) -> None:
    parts = [part("queue > 5", series("TTTTTTTT")), part("queue", series("TTTTTTTT"))]
    record = watched("T" * 8, parts=parts, query_offset_seconds=looks_back)
    values = {"alerts": alerts("fffffffi"), "watched": [record], "targets": [target(30)], "groups": []}
    recording = passed.model_copy(update=values | {"started_at": START, "ended_at": START + ended})
    seen = breaches(RuleEvaluations(recording, record), rule(), timelines(recording, "QueueGrows", 1))
    assert [(round(one.at - FIRST, 1), one.observed) for one in seen] == found
