"""Checks of what people hear of an alert: its route, its words, and the way to help."""

from __future__ import annotations

from collections.abc import Iterator

from alertdrill.agent.rules.remark import CheckedRule, CheckResult
from alertdrill.units.duration import format_seconds

_LATE_SECONDS = 3600.0


def no_route(subject: CheckedRule) -> Iterator[CheckResult]:
    """Find an alert that falls to the root of Alertmanager's routes, for want of a route of its own."""
    severity = subject.rule.labels.get("severity")
    if severity is None:
        yield CheckResult(
            "note", "it has no label `severity`: no route can tell how urgent it is", "a label `severity`"
        )
    elif subject.ways and all(way.depth == 0 for way in subject.ways):
        yield CheckResult(
            "weakness",
            f"0 routes are for severity {severity!r}: it falls to the root, {subject.ways[0].receiver}",
            f'a route with `matchers: [severity="{severity}"]`, or the label that one has',
        )


def told_late(subject: CheckedRule) -> Iterator[CheckResult]:
    """Find waits of Alertmanager so long that a second alert, or the end, is told of much later."""
    for way in subject.ways:
        interval = way.group_interval.total_seconds()
        if interval >= _LATE_SECONDS:
            yield CheckResult(
                "note",
                f"{way.receiver}'s group_interval is {format_seconds(interval)}: its end, and an alert that joins a known"
                " group, are told of up to so much later",
                "a shorter group_interval if anybody waits for it",
            )


def no_runbook(subject: CheckedRule) -> Iterator[CheckResult]:
    """Find an alert that does not say what to do."""
    if not any(name.startswith("runbook") for name in subject.rule.annotations):
        has = ", ".join(sorted(subject.rule.annotations)) or "no annotation"
        yield CheckResult("note", f"it has {has}, and no runbook_url", "an annotation `runbook_url`")


def no_description(subject: CheckedRule) -> Iterator[CheckResult]:
    """Find an alert that does not say what is wrong."""
    if not {"description", "message"} & set(subject.rule.annotations):
        has = "only a summary" if "summary" in subject.rule.annotations else "neither description nor summary"
        yield CheckResult("note", f"it has {has}", "an annotation `description` with the value: `{{ $value }}`")
