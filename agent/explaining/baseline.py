"""The findings that a team knows and accepts: a file that explain writes, and reads the next time.

A finding is known by its alert, group and check, and by the expression of its rule: a changed rule is looked at anew.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import yaml

from alertdrill.agent.config.yaml_source import read_settings
from alertdrill.agent.rules.explanation import ExplainedRule, Explanation
from alertdrill.agent.rules.remark import Remark
from alertdrill.units.settings import Settings

_HEAD = "# Findings that are known; `alertdrill explain --write-baseline` writes this file again.\n"


class Accepted(Settings):
    """One finding that is accepted; `rule` tells whether its expression is still the same."""

    alert: str
    group: str
    finding: str
    rule: str


class Baseline(Settings):
    """All accepted findings."""

    accepted: tuple[Accepted, ...] = ()


def read_baseline(path: Path) -> Baseline:
    """Read a baseline; raises ConfigError with every problem of the file."""
    return read_settings(path, Baseline, is_plain=True)


def baseline_of(explanation: Explanation) -> str:
    """Write the findings of an explanation as a baseline, each once and in the order of the rules."""
    known = dict.fromkeys(_key(rule, remark) for rule in explanation.rules for remark in rule.remarks)
    return _HEAD + yaml.safe_dump({"accepted": [one.model_dump() for one in known]}, sort_keys=False, width=1000)


def without_accepted(explanation: Explanation, baseline: Baseline, path: Path) -> Explanation:
    """Leave out the findings that are accepted, and note those of the baseline that are no longer found."""
    known = set(baseline.accepted)
    rules = tuple(
        replace(rule, remarks=tuple(one for one in rule.remarks if _key(rule, one) not in known))
        for rule in explanation.rules
    )
    found = {_key(rule, one) for rule in explanation.rules for one in rule.remarks}
    count = sum(len(rule.remarks) for rule in explanation.rules) - sum(len(rule.remarks) for rule in rules)
    lines = [f"{path}: {count} finding(s) accepted"]
    lines += [f"{path}: {one.alert} has no {one.finding} any more" for one in baseline.accepted if one not in found]
    return replace(explanation, rules=rules, passed_over=(*explanation.passed_over, *lines))


def _key(rule: ExplainedRule, remark: Remark) -> Accepted:
    record = rule.located.rule
    digest = sha256(" ".join(record.expr.split()).encode()).hexdigest()[:8]
    return Accepted(alert=record.alert, group=record.group, finding=remark.name, rule=digest)
