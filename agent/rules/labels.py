"""The labels of an alert and those of the series it was made of.

An alert has the labels of the expression's result without its name, the rule's own, and `alertname`. An empty label
counts as missing. A rule's label may be a template, whose text is known only when the alert is active.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # `alertdrill probe` formats labels too, and does not need the records of drills.
    from alertdrill.agent.recording.records import PartRecord, RuleRecord, SeriesRecord


def spell(labels: dict[str, str]) -> str:
    """Format labels as PromQL does, without the alert's name; empty if there are none."""
    pairs = [f'{name}="{value}"' for name, value in sorted(labels.items()) if name not in {"alertname", "alertstate"}]
    return "{" + ", ".join(pairs) + "}" if pairs else ""


def listed(items: Iterable[str], most: int = 5) -> str:
    """Join some texts and count the others: `a, b and 3 more`."""
    all_of_them = list(items)
    shown = all_of_them[:most]
    left = len(all_of_them) - len(shown)
    return ", ".join(shown) + (f" and {left} more" if left else "")


def templates(rule: RuleRecord) -> list[str]:
    """Return the names of a rule's labels that are templates: each text of a template makes an alert of its own."""
    return sorted(name for name, value in rule.labels.items() if "{{" in value and name != "alertname")


def has(labels: dict[str, str], wanted: dict[str, str]) -> bool:
    """Return whether labels are as wanted; an empty label counts as missing."""
    return all(labels.get(name, "") == value for name, value in wanted.items())


def is_of(alert: dict[str, str], rule: RuleRecord, series: dict[str, str]) -> bool:
    """Return whether an alert of a rule was made of a series of the rule's expression."""
    # Prometheus sets these two itself, even if the series or the rule has them (AlertingRule.sample).
    own = set(rule.labels) | {"alertname", "alertstate"}
    mine = {name: value for name, value in alert.items() if name not in own and value}
    its = {name: value for name, value in series.items() if name not in own and name != "__name__" and value}
    return mine == its and may_be_of(alert, rule)


def may_be_of(alert: dict[str, str], rule: RuleRecord) -> bool:
    """Return whether an alert has a rule's name and labels: several rules may make alerts of one name."""
    plain = {name: value for name, value in rule.labels.items() if "{{" not in value}
    return all(alert.get(name, "") == value for name, value in (plain | {"alertname": rule.alert}).items())


def series_of(alert: dict[str, str], rule: RuleRecord, whole: PartRecord | None) -> SeriesRecord | None:
    """Return the series of the whole expression that an alert was made of."""
    return next((one for one in whole.series if is_of(alert, rule, one.labels)), None) if whole else None
