"""Why an alert did not fire: the first broken link of the chain from the series to the state machine.

Each link is a function that returns a Finding if it is broken, and None if it holds. CHAIN has them in the order in
which data passes them, so the first finding is the cause of all later ones.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from dataclasses import replace

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import PartRecord, RuleRecord
from alertdrill.agent.rules.expression import Condition, Pairing, Selector, split
from alertdrill.agent.rules.labels import listed
from alertdrill.agent.rules.shape import bad_seconds
from alertdrill.agent.verdict.diagnosis.pending import broken_off, still_pending
from alertdrill.agent.verdict.diagnosis.silent import SilentAlert, not_scraped, true_instants
from alertdrill.agent.verdict.evaluations import part, value_at, watched
from alertdrill.agent.verdict.timeline import AlertTimeline
from alertdrill.agent.verdict.verdict import ChainLink, Finding

_SHOWN = 3
_LATE_SAMPLES = (
    "it could not, if the samples came later than their timestamps say, as some exporters' and remote writes' do"
)


def no_rule(recording: Recording, alert: str) -> Finding:
    """Return the finding that no rule makes an alert, with the alerts of similar names."""
    names = dict.fromkeys(rule.alert for rule in recording.rules)
    near = difflib.get_close_matches(alert, names, n=_SHOWN)
    hint = f"did you mean {' or '.join(near)}?" if near else "and none has a name like it"
    return Finding(ChainLink.NO_RULE, f"no rule makes {alert}, {hint}")


def why_silent(
    recording: Recording, rule: RuleRecord, pending: tuple[AlertTimeline, ...], fault: tuple[float, float]
) -> Finding:
    """Return why a rule did not fire; `pending` are its pending stretches, `fault` its start and its end."""
    record = watched(recording, rule)
    if record is None:
        return Finding(ChainLink.NEVER_TRUE, "it never fired, and its expression could not be evaluated afterwards")
    finding = _first_broken(SilentAlert(recording, rule, record, pending, *fault))
    return finding if recording.faults else replace(finding, sentence=f"no fault was injected; {finding.sentence}")


def _first_broken(silent: SilentAlert) -> Finding:
    for link in CHAIN:
        finding = link(silent)
        if finding is not None:
            return finding
    if silent.tree is None:
        return Finding(ChainLink.NEVER_TRUE, "its expression was never true, and cannot be taken apart to see why")
    return Finding(ChainLink.NEVER_TRUE, "its expression was never true")


def _evaluation_failed(silent: SilentAlert) -> Finding | None:
    groups = [g for g in silent.recording.groups if (g.group, g.file) == (silent.rule.group, silent.rule.file)]
    errors = [one.errors[silent.rule.alert] for g in groups for one in g.evaluations if silent.rule.alert in one.errors]
    errors += [silent.rule.last_error] if silent.rule.health == "err" and silent.rule.last_error else []
    errors += [silent.record.parts[0].error] if silent.record.parts and silent.record.parts[0].error else []
    if not errors:
        return None
    return Finding(ChainLink.EVALUATION_FAILED, f"Prometheus cannot evaluate the rule: {errors[0]}")


def _series_absent(silent: SilentAlert) -> Finding | None:
    for selector in _selectors(silent):
        found = part(silent.record, str(selector.all_of_metric)) if selector.metric else None
        if found is None or found.total:
            continue
        near = silent.record.near_names.get(selector.metric, [])
        hint = f"did you mean {' or '.join(near)}?" if near else "nothing with a name like it exists"
        return Finding(ChainLink.SERIES_ABSENT, f"there is no series {selector.metric}, {hint}")
    return None


def _nothing_matches(silent: SilentAlert) -> Finding | None:
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


def _series_stale(silent: SilentAlert) -> Finding | None:
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
            reason = not_scraped(silent, found.series[0])
            since = silent.offset(silent.instants[gone[0]])
            return Finding(ChainLink.SERIES_STALE, f"{selector} was gone from {since} on{reason}")
    return None


def _no_pair(silent: SilentAlert) -> Finding | None:
    for pairing in silent.tree.pairings if silent.tree else ():
        whole, left, right = (part(silent.record, text) for text in (pairing.text, pairing.lhs, pairing.rhs))
        if whole is None or left is None or right is None or whole.total or not (left.total and right.total):
            continue
        if pairing.op in {"/", "*", "+", "-", "%", "^"}:
            return Finding(ChainLink.NO_PAIR, _differing(pairing, left, right))
        if not _has_pair(pairing, left, right):
            return Finding(ChainLink.NO_PAIR, _differing(pairing, left, right))
    return None


def _has_pair(pairing: Pairing, left: PartRecord, right: PartRecord) -> bool:
    keys = {_key(pairing, series.labels) for series in left.series}
    return any(_key(pairing, series.labels) in keys for series in right.series)


def _key(pairing: Pairing, labels: dict[str, str]) -> frozenset[tuple[str, str]]:
    names = set(pairing.on) if pairing.on is not None else set(labels) - {"__name__", *pairing.ignoring}
    return frozenset((name, labels.get(name, "")) for name in names if labels.get(name))


def _differing(pairing: Pairing, left: PartRecord, right: PartRecord) -> str:
    one, other = dict(_key(pairing, left.series[0].labels)), dict(_key(pairing, right.series[0].labels))
    labels = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    sides = "; ".join(
        f"{name} is {repr(one[name]) if name in one else 'absent'} on the left and"
        f" {repr(other[name]) if name in other else 'absent'} on the right"
        for name in labels
    )
    return f"the sides of `{pairing.op}` have no labels in common to pair by: {sides or 'none agree'}"


def _never_crossed(silent: SilentAlert) -> Finding | None:
    if any(true_instants(silent)):
        return None
    condition, value = silent.tree.condition if silent.tree else None, silent.value
    if condition is None or value is None:
        return None
    text = _extreme(silent, condition, value)
    return Finding(ChainLink.NEVER_CROSSED, text + _share_of_range(silent)) if text else None


def _never_true(silent: SilentAlert) -> Finding | None:
    """Find which of several conditions, all of which must hold at once, did not hold."""
    clauses = silent.tree.clauses if silent.tree else ()
    known = [(text, found) for text in clauses if (found := part(silent.record, text)) is not None]
    if any(true_instants(silent)) or len(known) < 2 or len(known) < len(clauses):
        return None
    for text, found in known:
        condition = split(text)
        value = part(silent.record, condition.value_expr) if condition else None
        if any(True for series in found.series for _ in silent.after_fault(series)):
            continue
        why = _extreme(silent, condition, value) if condition and value else ""
        link = ChainLink.NEVER_CROSSED if why else ChainLink.NEVER_TRUE
        return Finding(link, f"`{text}`, which the alert needs, {why or 'was never true'}")
    listing = " and ".join(f"`{text}`" for text, _ in known)
    return Finding(ChainLink.NEVER_TRUE, f"{listing} were true, but never at one evaluation and with labels that agree")


def _extreme(silent: SilentAlert, condition: Condition, value: PartRecord) -> str:
    """Return how near to its threshold a value came; empty if it had no value."""
    values = [pair for series in value.series for pair in silent.after_fault(series)]
    numbers = [(at, number) for at, number in values if not math.isnan(number)]
    threshold = f"fires at {condition.comparison} {condition.threshold:g}"
    if values and not numbers:
        return f"its value was NaN throughout: nothing was counted in its series, or they are native histograms; it {threshold}"
    if not numbers:
        return ""
    is_low = condition.comparison in {"<", "<="}
    at, best = (min if is_low else max)(numbers, key=lambda pair: pair[1])
    word = "smallest" if is_low else "largest"
    return f"never crossed: {word} value {best:.4g}, at {silent.offset(at)}; it {threshold}"


def _share_of_range(silent: SilentAlert) -> str:
    """Return how much of a range had to be bad, and how long the fault lasted."""
    found = silent.onset
    width = found.shape.range_seconds
    if not width or not found.levels:
        return ""
    needed = [seconds for one in found.levels if (seconds := bad_seconds(found.shape, one)) is not None]
    if not needed:
        return f"; even a range of {width:g} s full of it would not do"
    lasted = min(silent.healed_at - silent.fault_at, width)
    return f"; at least {min(needed):.3g} s of the {width:g} s range must be bad, and the fault lasted {lasted:.3g} s"


def _never_pending(silent: SilentAlert) -> Finding | None:
    """Find an evaluation at which the condition was true, but the alert did not become pending."""
    for series in silent.record.parts[0].series if silent.record.parts else []:
        evaluations = silent.of_rule.of_series(series)
        held = [number for number, one in enumerate(evaluations) if one.holds and one.at >= silent.fault_at]
        if held:
            first, value = evaluations[held[0]].at, value_at(series, held[0])
            condition = silent.tree.condition if silent.tree else None
            crossed = f" ({value:.4g} {condition.comparison} {condition.threshold:g})" if condition else ""
            often = f"at {len(held)} evaluation(s)"
            sentence = f"true from {silent.offset(first)} on{crossed}, {often}, but Prometheus never made it pending"
            return Finding(ChainLink.NEVER_PENDING, sentence, (_LATE_SAMPLES,))
        unknown = [one.at for one in evaluations if one.holds is None and one.at >= silent.fault_at]
        if unknown:
            sentence = f"true for a moment at {silent.offset(unknown[0])}, which the evaluation may not have seen: a scrape was under way"
            return Finding(ChainLink.NEVER_TRUE, sentence)
    return None


def _selectors(silent: SilentAlert) -> tuple[Selector, ...]:
    """Return the selectors without whose series the alert cannot fire."""
    if silent.tree is None or silent.onset.shape.kind == "absent":
        return ()
    return silent.tree.required


CHAIN: tuple[Callable[[SilentAlert], Finding | None], ...] = (
    _evaluation_failed,
    _series_absent,
    _nothing_matches,
    _series_stale,
    _no_pair,
    _never_crossed,
    _never_true,
    still_pending,
    broken_off,
    _never_pending,
)
"""The links, in the order in which data passes them."""
