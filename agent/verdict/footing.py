"""What a verdict could not rest on, so that whoever reads it knows how far it goes."""

from __future__ import annotations

from collections.abc import Iterable

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.expression import anatomy
from alertdrill.agent.rules.labels import listed, templates
from alertdrill.agent.verdict.evaluations import watched


def notes(recording: Recording, rules: Iterable[RuleRecord]) -> tuple[str, ...]:
    """Say of each rule what of it could not be taken apart, evaluated again or kept."""
    return tuple(dict.fromkeys(note for rule in rules for note in _notes(recording, rule)))


def _notes(recording: Recording, rule: RuleRecord) -> Iterable[str]:
    if anatomy(rule.expr) is None:
        yield (
            f"the expression of {rule.alert} is beyond this version's parser:"
            " its windows follow from what Prometheus reported of it as a whole, and not from its parts"
        )
    for name in templates(rule):
        texts = {one.labels.get(name, "") for one in recording.alerts if one.labels["alertname"] == rule.alert}
        if len(texts) > 1:
            shown = listed(sorted(map(repr, texts)), most=3)
            yield f"the label {name} of {rule.alert} is a template and was {shown}: each makes an alert of its own"
    record = watched(recording, rule)
    if record is None or not record.parts:
        yield f"{rule.alert} was not evaluated again: when its condition held is known from its alerts alone"
    elif record.parts[0].error:
        yield (
            f"{rule.alert} could not be evaluated again ({record.parts[0].error}):"
            " when its condition held is known from its alerts alone"
        )
    elif record.parts[0].total > len(record.parts[0].series):
        kept, total = len(record.parts[0].series), record.parts[0].total
        yield f"of {total} series that {rule.alert} found, {kept} were kept: the others are known from their alerts alone"
