from __future__ import annotations

from dataclasses import replace

from alertdrill.agent.config.daemon import Freshness
from alertdrill.agent.history.index import HistorySummary, Latest, Proof
from alertdrill.agent.notifying.conditions import Changes, Condition, of_history, of_part

DAY = 86_400.0
NOW = 100 * DAY
FRESH = Freshness.model_validate({"prove_within": {"page": "30d"}})
STANDING = HistorySummary(
    proofs=(
        Proof("Fresh", "page", 0.0, NOW - 29 * DAY, "one", None),
        Proof("Old", "page", 0.0, NOW - 31 * DAY, "one", None),
        Proof("Never", "page", 0.0, None, None, None),
        Proof("Unlimited", "info", 0.0, None, None, None),
    ),
    latest=(
        Latest("Good", "one", "r1", "passed", ""),
        Latest("Bad", "one", "r1", "not_notified", "it fired,\nbut nobody was told"),
    ),
    unexpected=(("one", ("Other", "Third")), ("two", ())),
    inconclusive=(("one", 0), ("two", 2), ("three", 3)),
)


def states(standing: HistorySummary) -> dict[str, tuple[str, str]]:
    return {one.subject: (one.kind, one.state) for one in of_history(standing, FRESH, NOW, 3)}


def test_an_alert_without_a_proof_is_not_told_of_as_one_with_an_old_proof() -> None:
    voided = replace(STANDING, proofs=(*STANDING.proofs, Proof("Other", "page", 0.0, None, None, NOW)))
    assert [one.text for one in of_history(voided, FRESH, NOW, 3) if one.state == "stale"] == [
        "alert Old of severity page was not proven within 30d",
        "alert Never of severity page was never proven, expected within 30d",
        "alert Other of severity page was not proven since its expression was changed, expected within 30d",
    ]


def test_the_history_tells_of_verdicts_inconclusive_drills_and_old_proofs() -> None:
    assert states(STANDING) == {
        "alert Good in drill one": ("failed", "good"),
        "alert Bad in drill one": ("failed", "not_notified"),
        "unexpected alerts in drill one": ("failed", "unexpected: Other, Third"),
        "unexpected alerts in drill two": ("failed", "good"),
        # The second drill was inconclusive, but not often enough: what was told before still holds.
        "drill one": ("inconclusive", "good"),
        "drill three": ("inconclusive", "inconclusive"),
        "proof of alert Fresh of severity page": ("stale", "good"),
        "proof of alert Old of severity page": ("stale", "stale"),
        "proof of alert Never of severity page": ("stale", "stale"),
    }
    (text,) = [one.text for one in of_history(STANDING, FRESH, NOW, 3) if one.subject.startswith("alert Bad")]
    assert text == "alert Bad in drill one is not notified: it fired, but nobody was told"


def test_an_inconclusive_run_changes_nothing_that_was_told() -> None:
    changes = Changes({"alert Good in drill one": ("missed", 1.0)})
    nothing = replace(STANDING, latest=(), unexpected=(), inconclusive=(), proofs=())
    assert changes.found(of_history(nothing, FRESH, NOW, 3), NOW, 0.0) == []
    (event,) = changes.found(of_history(replace(nothing, latest=STANDING.latest[:1]), FRESH, NOW, 3), NOW, 0.0)
    assert (event.state, event.is_problem, event.text) == ("good", False, "alert Good in drill one is proven")


def test_more_faults_that_are_left_are_told_again() -> None:
    changes = Changes({})

    def told(count: int, steady: float) -> list[str]:
        problem = f"{count} left" if count else ""
        return [one.text for one in changes.found([of_part("unhealed", problem, "none", problem)], NOW, steady)]

    # A watchdog undoes what a killed process left.
    assert told(1, 0) == told(1, 19) == []
    assert told(1, 20) == ["1 left"]
    assert told(1, 100) == told(2, 101) == []
    assert told(2, 122) == ["2 left"]
    assert told(0, 123) == []
    assert told(0, 144) == ["none"]


def test_a_subject_that_is_gone_is_not_solved() -> None:
    """A rule was removed: nobody proved its alert."""
    changes = Changes({"alert A": ("missed", 1.0)})
    assert changes.found([], NOW, 0.0) == []
    assert changes.found([Condition("failed", "alert A", "missed", "")], NOW, 9.0) == []
