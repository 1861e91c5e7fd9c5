"""The words that all pages of `alertdrill explain` share."""

from __future__ import annotations

import math

from alertdrill.agent.rules.explanation import ExplainedRule
from alertdrill.agent.rules.prospect import Prospect, SizeRow
from alertdrill.units.duration import format_seconds

MARKS = {"problem": "✗", "weakness": "!", "note": "·"}
"""The sign of each severity."""


def seconds_words(seconds: float) -> str:
    """Spell an instant: `1m45s`, or a question mark where nobody knows."""
    return "?" if math.isinf(seconds) else format_seconds(seconds)


def span_words(span: tuple[float, float] | None) -> str:
    """Spell the soonest and the latest: `1m … 1m45s`; a dash where it never comes."""
    return "—" if span is None else f"{seconds_words(span[0])} … {seconds_words(span[1])}"


def needs_words(row: SizeRow) -> str:
    """Spell how much of a range must be bad."""
    return "never fires" if row.bad_seconds is None else f"{row.bad_seconds:.4g} s"


def waits_words(explained: ExplainedRule) -> str:
    """Spell what the rule waits for: `for 1m, evaluated every 15s, severity critical`."""
    rule = explained.located.rule
    parts = [f"for {format_seconds(rule.for_seconds)}"] if rule.for_seconds else ["without `for`"]
    if rule.keep_firing_for_seconds:
        parts.append(f"keep_firing_for {format_seconds(rule.keep_firing_for_seconds)}")
    parts.append(f"evaluated every {format_seconds(rule.interval_seconds)}")
    if "severity" in rule.labels:
        parts.append(f"severity {rule.labels['severity']}")
    return ", ".join(parts)


def kind_words(prospect: Prospect) -> str:
    """Spell what kind of expression it is, and how far back it looks."""
    shape = prospect.shape
    over = f", over {format_seconds(shape.range_seconds)}" if shape.range_seconds else ""
    return shape.words + over


def shortest_words(prospect: Prospect) -> str | None:
    """Spell the shortest fault that fires the alert; None where it is not known."""
    if prospect.shortest is None:
        return None
    lucky, certain = prospect.shortest
    soonest = f"{format_seconds(lucky)} with luck" if lucky else "any length with luck"
    return f"shortest fault that fires it: {soonest}, {format_seconds(certain)} for certain"


def one_line(text: str) -> str:
    """Put an expression on one line."""
    return " ".join(text.split())
