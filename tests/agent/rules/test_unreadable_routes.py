"""A server with another kind of configuration than Alertmanager's, such as Mimir: judged without its waits."""

from __future__ import annotations

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.rules.routing import routes
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import ChainLink, VerdictOutcome


@pytest.mark.parametrize(
    "config",
    [
        "",
        "{}",
        "<secret>",
        "[",
        "route: {group_wait: soon}",
        "route: {receiver: [a]}",
    ],
)
def test_without_routes_a_delivery_is_judged_by_whether_it_came(passed: Recording, config: str) -> None:
    alertmanager = passed.alertmanager.model_copy(update={"config": config, "looks": 1})
    recording = passed.model_copy(update={"alertmanager": alertmanager})
    (verdict,) = judge(recording).verdicts
    assert verdict.outcome is VerdictOutcome.PASSED
    (notified,) = (milestone for milestone in verdict.milestones if milestone.name == "notified")
    assert (notified.at is None, notified.window) == (False, None)
    (untold,) = judge(recording.model_copy(update={"notifications": []})).verdicts
    assert (untold.outcome, untold.finding and untold.finding.link) == (VerdictOutcome.NOT_NOTIFIED, ChainLink.NOT_SENT)


@pytest.mark.parametrize(
    "route", ["group_by: [{a: b}]", "group_by: severity", "receiver: [a]", "mute_time_intervals: [[a]]"]
)
def test_names_must_be_texts(route: str) -> None:
    with pytest.raises(ValueError, match="does not have the form of a `route`: expected names, found "):
        routes(f"route: {{{route}}}", {})
