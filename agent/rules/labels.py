"""The labels of an alert and those of the series it was made of.

An alert has the labels of the expression's result without its name, the rule's own, and `alertname`; an empty label
is none. A rule's label may be a template, whose text the record cannot foretell.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # A load alone spells labels too, and needs nothing of what drills are made of.
    from alertdrill.agent.recording.records import PartRecord, RuleRecord, SeriesRecord


def spell(labels: dict[str, str]) -> str:
    """Spell labels as PromQL does, without the alert's name; nothing where there are none."""
    pairs = [f'{name}="{value}"' for name, value in sorted(labels.items()) if name not in {"alertname", "alertstate"}]
    return "{" + ", ".join(pairs) + "}" if pairs else ""


def listed(items: Iterable[str], most: int = 5) -> str:
    """List some texts and count the others: `a, b and 3 more`."""
    all_of_them = list(items)
    shown = all_of_them[:most]
    left = len(all_of_them) - len(shown)
    return ", ".join(shown) + (f" and {left} more" if left else "")


def templates(rule: RuleRecord) -> list[str]:
    """Name the labels of a rule that are templates: each text that comes of one makes an alert of its own."""
    return sorted(name for name, value in rule.labels.items() if "{{" in value and name != "alertname")


def has(labels: dict[str, str], wanted: dict[str, str]) -> bool:
    """Tell whether labels are as wanted; an empty label is none."""
    return all(labels.get(name, "") == value for name, value in wanted.items())


def is_of(alert: dict[str, str], rule: RuleRecord, series: dict[str, str]) -> bool:
    """Tell whether an alert of a rule was made of a series of the rule's expression."""
    # Whatever the series or the rule says, these two are the alert's own (AlertingRule.sample).
    own = set(rule.labels) | {"alertname", "alertstate"}
    mine = {name: value for name, value in alert.items() if name not in own and value}
    its = {name: value for name, value in series.items() if name not in own and name != "__name__" and value}
    return mine == its and may_be_of(alert, rule)


def may_be_of(alert: dict[str, str], rule: RuleRecord) -> bool:
    """Tell whether an alert has a rule's name and labels: several rules may make alerts of one name."""
    plain = {name: value for name, value in rule.labels.items() if "{{" not in value}
    return all(alert.get(name, "") == value for name, value in (plain | {"alertname": rule.alert}).items())


def series_of(alert: dict[str, str], rule: RuleRecord, whole: PartRecord | None) -> SeriesRecord | None:
    """Find the series of the whole expression that an alert was made of."""
    return next((one for one in whole.series if is_of(alert, rule, one.labels)), None) if whole else None
