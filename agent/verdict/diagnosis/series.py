"""Series that a rule needs and does not find: none of that name, none with its labels, or none any more.

Each link is a function that returns a Finding if it is broken, and None if it holds.
"""

from __future__ import annotations

from alertdrill.agent.recording.records import PartRecord, TargetRecord
from alertdrill.agent.rules.expression import Selector
from alertdrill.agent.rules.labels import listed
from alertdrill.agent.verdict.diagnosis.silent import SilentAlert, failed_scrapes, target_of, true_instants, why_gone
from alertdrill.agent.verdict.evaluations import part, value_at
from alertdrill.agent.verdict.verdict import ChainLink, Finding

# Prometheus writes these also for a scrape that failed.
_OF_SCRAPES = {
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
}


def series_absent(silent: SilentAlert) -> Finding | None:
    """Find a metric without any series."""
    for selector in _selectors(silent):
        found = part(silent.record, str(selector.all_of_metric)) if selector.metric else None
        if found is None or found.total:
            continue
        if str(selector) in silent.record.sample_ages:
            return _too_old(silent, selector)
        near = silent.record.near_names.get(selector.metric, [])
        return Finding(ChainLink.SERIES_ABSENT, f"there is no series {selector.metric}, {_hint(selector.metric, near)}")
    return None


def _hint(metric: str, near: list[str]) -> str:
    """Return what the metric may be called; a name that Prometheus knows is not misspelt."""
    if metric in near:
        return (
            "though Prometheus knows the name: its series ended before the drill,"
            " or their samples are older than the lookback when they are scraped"
        )
    return f"did you mean {' or '.join(near)}?" if near else "nothing with a name like it exists"


def _too_old(silent: SilentAlert, selector: Selector) -> Finding:
    age, lookback = silent.record.sample_ages[str(selector)], silent.recording.prometheus.lookback_seconds
    beyond = f", older than Prometheus' lookback of {lookback:g} s" if lookback and lookback < age else ""
    sentence = (
        f"{selector} has samples, but no evaluation sees them: the newest was {age:.0f} s old at the end of the"
        f" drill{beyond}; its exporter sends timestamps of its own (`honor_timestamps: false` ignores them)"
    )
    return Finding(ChainLink.SERIES_STALE, sentence, is_structural=True)


def nothing_matches(silent: SilentAlert) -> Finding | None:
    """Find a matcher that leaves no series."""
    for selector in _selectors(silent):
        found = part(silent.record, str(selector))
        if found is None or found.total or not selector.matchers:
            continue
        return Finding(ChainLink.NOTHING_MATCHES, _emptied_by(silent, selector))
    return None


def _emptied_by(silent: SilentAlert, selector: Selector) -> str:
    """Return the matcher that excludes all series: the one without which there are some."""
    for matcher in selector.matchers:
        without = part(silent.record, str(selector.without(matcher)))
        if without is None or not without.total:
            continue
        values = sorted({series.labels.get(matcher.label, "") for series in without.series})
        has = f"it has {listed([repr(value) for value in values])}" if values != [""] else "no series has that label"
        return f"no series {selector.metric or 'at all'} has {matcher}: {has}"
    return f"no series has all of {selector}, though each of its matchers alone leaves some out"


def series_stale(silent: SilentAlert) -> Finding | None:
    """Find series that ended during the fault, before the rule could see its condition hold."""
    if silent.onset.shape.kind == "absent" or any(true_instants(silent)):
        return None
    for selector in _selectors(silent):
        found = part(silent.record, str(selector))
        if found is None or not found.series:
            continue
        during = [n for n, at in enumerate(silent.instants) if silent.fault_at <= at <= silent.healed_at]
        gone = [n for n in during if all(value_at(series, n) is None for series in found.series)]
        if gone and len(gone) >= len(during) / 2:
            since = silent.offset(silent.instants[gone[0]])
            return Finding(
                ChainLink.SERIES_STALE, f"{selector} was gone from {since} on{why_gone(silent, found.series[0])}"
            )
        if selector.metric not in _OF_SCRAPES and _is_never_scraped(silent, found):
            reason = why_gone(silent, found.series[0])
            return Finding(ChainLink.SERIES_STALE, f"{selector} had no new sample for most of the fault{reason}")
    return None


def _is_never_scraped(silent: SilentAlert, found: PartRecord) -> bool:
    """Return whether most scrapes of all targets of some series failed during the fault.

    If a scrape fails because it has too many samples, the series keep their last value for the whole lookback.
    """
    targets = [target_of(silent, series) for series in found.series]
    if found.total > len(found.series) or not all(targets):
        return False
    return all(_is_mostly_down(silent, target) for target in targets if target)


def _is_mostly_down(silent: SilentAlert, target: TargetRecord) -> bool:
    during = [at for at in target.instants if silent.fault_at <= at <= silent.healed_at]
    failed = set(failed_scrapes(silent, target)) & {*during}
    return bool(failed) and len(failed) > len(during) / 2


def _selectors(silent: SilentAlert) -> tuple[Selector, ...]:
    """Return the selectors without whose series the alert cannot fire."""
    if silent.tree is None or silent.onset.shape.kind == "absent":
        return ()
    # Each side of `or` is looked at by itself.
    return silent.tree.required if silent.tree.alternatives else silent.tree.needed
