"""Checks of a rule's waits and ranges beside its scrape and evaluation intervals."""

from __future__ import annotations

import re
from collections.abc import Iterator

from alertdrill.agent.rules.remark import CheckedRule, CheckResult, Severity
from alertdrill.units.duration import format_seconds

# A rate needs two samples in its range. One scrape may fail, and another may be late.
_SAMPLES_IN_A_RANGE = 4
_LONG_BLIND_SECONDS = 120.0
_GROWTH = re.compile(r"\b(rate|irate|increase|delta|idelta|deriv|predict_linear)\s*\(")


def for_short(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find a `for` so short that one or two samples fire the alert."""
    scrape, for_ = checked.timing.scrape, checked.timing.for_
    is_known = checked.tree is not None and checked.tree.selectors and not checked.prospect.unknown
    if not is_known or checked.ranges or for_ >= 2 * scrape:
        return
    yield CheckResult(
        "weakness" if for_ == 0 and not checked.timing.is_guess else "note",
        f"`for` {format_seconds(for_)} is shorter than 2 scrapes ({format_seconds(2 * scrape)}):"
        f" {'1 bad sample fires it' if for_ < scrape else '2 bad samples fire it'}",
        f"`for: {format_seconds(2 * scrape)}` or more",
    )


def range_short(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find a range with too few samples."""
    scrape = checked.timing.scrape
    if not checked.ranges or not scrape or checked.ranges[0] >= _SAMPLES_IN_A_RANGE * scrape:
        return
    width = checked.ranges[0]
    samples = int(width // scrape)
    starves = samples < 2 and _GROWTH.search(checked.rule.expr) is not None
    then = (
        "growth needs 2 of them" if starves else f"{max(samples - 1, 1)} failed scrape(s) may leave it without a value"
    )
    severity: Severity = "problem" if starves else "weakness"
    guess = ", if it is scraped that rarely: the interval is a default" if checked.timing.is_guess else ""
    yield CheckResult(
        "note" if checked.timing.is_guess else severity,
        f"the range of {format_seconds(width)} holds {samples} or {samples + 1} scrapes of"
        f" {format_seconds(scrape)}: {then}{guess}",
        f"a range of {format_seconds(_SAMPLES_IN_A_RANGE * scrape)} or more",
    )


def for_lost_at_restart(checked: CheckedRule) -> Iterator[CheckResult]:
    """Report the delay by a restart of Prometheus while the alert is pending."""
    grace, wait = checked.context.grace_seconds, checked.timing.wait
    if not 0 < checked.timing.for_ < grace:
        return
    yield CheckResult(
        "note",
        f"`for` {format_seconds(checked.timing.for_)} is shorter than Prometheus' grace period of"
        f" {format_seconds(grace)}: a restart while it is pending costs up to {format_seconds(wait)} more",
        f"start Prometheus with --rules.alert.for-grace-period={format_seconds(checked.timing.for_)} or less",
    )


def blind_to_short(checked: CheckedRule) -> Iterator[CheckResult]:
    """Report how long the largest fault may last without firing the alert."""
    shortest = checked.prospect.shortest
    if shortest is None or shortest[1] < _LONG_BLIND_SECONDS:
        return
    lucky, certain = shortest
    if lucky <= 0:
        # A short one may fire it, if it is large.
        return
    seen = checked.prospect.reach
    is_largest = seen is not None and seen.bad[0] == seen.bad[1]
    for_certain = f", and for certain only from {format_seconds(certain)} on" if is_largest else ""
    yield CheckResult(
        "weakness" if checked.rule.labels.get("severity") in {"critical", "page"} else "note",
        f"even the largest fault never fires it if shorter than {format_seconds(lucky)}{for_certain}:"
        " a fault that comes and goes never fires it",
        "a shorter `for`, or a mean over a range, which still holds the past",
    )


def lingers(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find an alert that goes on after the fault for longer than Alertmanager's group_interval."""
    resolved = next((leg for leg in checked.prospect.legs if leg.name == "resolved"), None)
    if resolved is None or not checked.routes:
        return
    for route in checked.routes:
        interval = route.group_interval.total_seconds()
        if resolved.earliest > interval:
            yield CheckResult(
                "note",
                f"it ends {format_seconds(resolved.earliest)} after the fault at the soonest: never within"
                f" {route.receiver}'s group_interval of {format_seconds(interval)}",
                "a shorter range, or a shorter keep_firing_for",
            )


def recorded(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find series of a recording rule that is not known."""
    names = checked.prospect.unknown
    if names:
        yield CheckResult(
            "note",
            f"{', '.join(names)} comes from a recording rule that is not at hand: up to 1 evaluation"
            f" ({format_seconds(checked.timing.interval)}) and that rule's own range pass before it shows a fault,"
            " so this window is not known",
            "explain the file with that rule as well",
        )
