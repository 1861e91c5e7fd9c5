"""Why an alert did not fire: the first broken link of the chain from the series to the state machine.

Each link is a function that returns a Finding if it is broken, and None if it holds. CHAIN has them in the order in
which data passes them, so the first finding is the cause of all later ones.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import PartRecord, RuleRecord
from alertdrill.agent.rules.expression import split
from alertdrill.agent.verdict.diagnosis.form import is_constant, never_by_form
from alertdrill.agent.verdict.diagnosis.pairs import excluded, never_agreed, no_pair
from alertdrill.agent.verdict.diagnosis.pending import broken_off, still_pending
from alertdrill.agent.verdict.diagnosis.series import nothing_matches, series_absent, series_stale
from alertdrill.agent.verdict.diagnosis.silent import SilentAlert, true_instants
from alertdrill.agent.verdict.diagnosis.threshold import extreme, never_crossed
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
    return Finding(ChainLink.NO_RULE, f"no rule makes {alert}, {hint}", is_structural=True)


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
    return _first_of(CHAIN, silent) or _unknown(silent)


def _unknown(silent: SilentAlert) -> Finding:
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
    sentence = f"Prometheus cannot evaluate the rule: {errors[0]}"
    return Finding(ChainLink.EVALUATION_FAILED, sentence, is_structural=True)


def _either(silent: SilentAlert) -> Finding | None:
    """Find why no side of `or` was true; a side that is a constant cannot become true."""
    alternatives = silent.tree.alternatives if silent.tree else ()
    if not alternatives or any(true_instants(silent)):
        return None
    constants = [one for one in alternatives if is_constant(one)]
    parts = [(one, side) for one in alternatives if one not in constants and (side := silent.of_part(one)) is not None]
    if not parts or len(parts) + len(constants) < len(alternatives):
        return None
    findings = [(text, _first_of(EXPRESSION_CHAIN, side) or _unknown(side)) for text, side in parts]
    first = findings[0][1]
    sentence = first.sentence
    if len(findings) > 1:
        sides = "; ".join(f"`{text}`: {finding.sentence}" for text, finding in findings)
        sentence = f"no side of `or` was true: {sides}"
    sentence += "".join(f"; {hint}" for one in constants if (hint := _binds_alone(one)))
    return Finding(first.link, sentence, is_structural=all(one.is_structural for _, one in findings))


def _binds_alone(constant_side: str) -> str:
    condition = split(constant_side)
    if condition is None:
        return ""
    return (
        f"and in `or {constant_side}` the comparison belongs to `{condition.value_expr}` alone:"
        f" `(… or {condition.value_expr}) {condition.comparison} {condition.threshold:g}` compares both sides"
    )


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
        why = extreme(silent, condition, value) if condition and value else ""
        if why:
            return Finding(ChainLink.NEVER_CROSSED, f"`{text}`, which the alert needs, {why}")
        side = silent.of_part(text)
        deeper = _first_of(EXPRESSION_CHAIN, side) if side is not None and text != silent.rule.expr else None
        if deeper is not None:
            return replace(deeper, sentence=f"`{text}`, which the alert needs, was never true: {deeper.sentence}")
        return Finding(ChainLink.NEVER_TRUE, f"`{text}`, which the alert needs, was never true")
    return never_agreed(silent) or Finding(ChainLink.NEVER_TRUE, _never_at_once(known))


def _never_at_once(known: list[tuple[str, PartRecord]]) -> str:
    listing = " and ".join(f"`{text}`" for text, _ in known)
    return f"{listing} were true, but never at one evaluation and with labels that agree"


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


_Links = tuple[Callable[[SilentAlert], Finding | None], ...]


def _first_of(links: _Links, silent: SilentAlert) -> Finding | None:
    return next((finding for link in links if (finding := link(silent)) is not None), None)


EXPRESSION_CHAIN: _Links = (
    series_absent,
    nothing_matches,
    series_stale,
    _either,
    never_by_form,
    no_pair,
    never_crossed,
    _never_true,
    excluded,
)
"""The links within an expression, in the order in which data passes them."""
CHAIN: _Links = (_evaluation_failed, *EXPRESSION_CHAIN, still_pending, broken_off, _never_pending)
"""All links."""
