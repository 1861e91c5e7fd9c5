"""Checks of a rule's waits and ranges beside the intervals at which it is fed and evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterator

from alertdrill.agent.rules.remark import CheckedRule, CheckResult
from alertdrill.units.duration import format_seconds

# A rate needs two samples in its range, and one scrape may fail, and another be late.
_SAMPLES_IN_A_RANGE = 4
_LONG_BLIND_SECONDS = 120.0
_GROWTH = re.compile(r"\b(rate|irate|increase|delta|idelta|deriv|predict_linear)\s*\(")


def for_short(subject: CheckedRule) -> Iterator[CheckResult]:
    """Find a `for` that a single sample can carry."""
    scrape, for_ = subject.timing.scrape, subject.timing.for_
    if subject.tree is None or subject.ranges or not subject.tree.selectors or for_ >= 2 * scrape:
        return
    yield CheckResult(
        "weakness" if for_ == 0 else "note",
        f"`for` {format_seconds(for_)} is shorter than 2 scrapes ({format_seconds(2 * scrape)}):"
        f" {'1 bad sample fires it' if for_ < scrape else '2 bad samples fire it'}",
        f"`for: {format_seconds(2 * scrape)}` or more",
    )


def range_short(subject: CheckedRule) -> Iterator[CheckResult]:
    """Find a range that holds too few samples."""
    scrape = subject.timing.scrape
    if not subject.ranges or not scrape or subject.ranges[0] >= _SAMPLES_IN_A_RANGE * scrape:
        return
    width = subject.ranges[0]
    samples = int(width // scrape)
    starves = samples < 2 and _GROWTH.search(subject.rule.expr) is not None
    then = (
        "growth needs 2 of them" if starves else f"{max(samples - 1, 1)} failed scrape(s) may leave it without a value"
    )
    yield CheckResult(
        "problem" if starves else "weakness",
        f"the range of {format_seconds(width)} holds {samples} or {samples + 1} scrapes of"
        f" {format_seconds(scrape)}: {then}",
        f"a range of {format_seconds(_SAMPLES_IN_A_RANGE * scrape)} or more",
    )


def for_lost_at_restart(subject: CheckedRule) -> Iterator[CheckResult]:
    """Tell what a restart of Prometheus costs while the alert is pending."""
    grace, wait = subject.known.grace_seconds, subject.timing.wait
    if not 0 < subject.timing.for_ < grace:
        return
    yield CheckResult(
        "note",
        f"`for` {format_seconds(subject.timing.for_)} is shorter than Prometheus' grace period of"
        f" {format_seconds(grace)}: a restart while it is pending costs up to {format_seconds(wait)} more",
        f"start Prometheus with --rules.alert.for-grace-period={format_seconds(subject.timing.for_)} or less",
    )


def blind_to_short(subject: CheckedRule) -> Iterator[CheckResult]:
    """Tell how long the largest fault may last without ever firing the alert."""
    shortest = subject.prospect.shortest
    if shortest is None or shortest[1] < _LONG_BLIND_SECONDS:
        return
    lucky, certain = shortest
    yield CheckResult(
        "weakness" if subject.rule.labels.get("severity") in {"critical", "page"} else "note",
        f"even the largest fault never fires it if shorter than {format_seconds(lucky)}, and for certain only"
        f" from {format_seconds(certain)} on: one that comes and goes is never told of",
        "a shorter `for`, or a mean over a range, which remembers what went",
    )


def lingers(subject: CheckedRule) -> Iterator[CheckResult]:
    """Find an alert that goes on longer than Alertmanager waits between two updates."""
    resolved = next((leg for leg in subject.prospect.legs if leg.name == "resolved"), None)
    if resolved is None or not subject.ways:
        return
    for way in subject.ways:
        interval = way.group_interval.total_seconds()
        if resolved.earliest > interval:
            yield CheckResult(
                "note",
                f"it ends {format_seconds(resolved.earliest)} after the fault at the soonest: never within"
                f" {way.receiver}'s group_interval of {format_seconds(interval)}",
                "a shorter range, or a shorter keep_firing_for",
            )


def recorded(subject: CheckedRule) -> Iterator[CheckResult]:
    """Find series that another rule makes, which is one evaluation more."""
    names = sorted({one.metric for one in subject.tree.selectors if ":" in one.metric}) if subject.tree else []
    if names:
        yield CheckResult(
            "note",
            f"{', '.join(names)} comes from a recording rule: up to 1 evaluation"
            f" ({format_seconds(subject.timing.interval)}) and that rule's own range come on top of this window",
            "put both rules into one group, the recording one first",
        )
