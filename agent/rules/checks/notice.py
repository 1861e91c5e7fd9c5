"""Checks of the notification of an alert: its route, its text and its runbook."""

from __future__ import annotations

from collections.abc import Iterator

from alertdrill.agent.rules.remark import CheckedRule, CheckResult
from alertdrill.units.duration import format_seconds

_LATE_SECONDS = 3600.0


def no_route(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find an alert that only the root of Alertmanager's routes takes."""
    severity = checked.rule.labels.get("severity")
    if severity is None:
        yield CheckResult("note", "it has no label `severity`: no route can see how urgent it is", "a label `severity`")
    elif checked.routes and all(route.depth == 0 for route in checked.routes):
        yield CheckResult(
            "weakness",
            f"0 routes are for severity {severity!r}: it falls to the root, {checked.routes[0].receiver}",
            f'a route with `matchers: [severity="{severity}"]`, or the label that one has',
        )


def told_late(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find waits of Alertmanager that delay the notification of a second alert, or of the end, by an hour or more."""
    for route in checked.routes:
        interval = route.group_interval.total_seconds()
        if interval >= _LATE_SECONDS:
            yield CheckResult(
                "note",
                f"{route.receiver}'s group_interval is {format_seconds(interval)}: the notification of its end, or of an"
                " alert that joins a known group, may come that much later",
                "a shorter group_interval, if these notifications matter",
            )


def no_runbook(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find an alert without a runbook."""
    if not any(name.startswith("runbook") for name in checked.rule.annotations):
        has = ", ".join(sorted(checked.rule.annotations)) or "no annotation"
        yield CheckResult("note", f"it has {has}, and no runbook_url", "an annotation `runbook_url`")


def no_description(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find an alert without a description."""
    if not {"description", "message"} & set(checked.rule.annotations):
        has = "only a summary" if "summary" in checked.rule.annotations else "neither description nor summary"
        yield CheckResult("note", f"it has {has}", "an annotation `description` with the value: `{{ $value }}`")
