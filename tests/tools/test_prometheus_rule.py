"""The rules for the Prometheus operator are made from rules.yml."""

from __future__ import annotations

from pathlib import Path

import yaml

from alertdrill.agent.config.check import check
from alertdrill.agent.config.rules import parse_rules, read_rules
from alertdrill.agent.config.yaml_source import Source
from tools import prometheus_rule

ROOT = Path(__file__).parents[2]
RULES = ROOT / "configs/prometheus/rules.yml"
RESOURCE = ROOT / "configs/kubernetes/prometheus-rule.yml"


def test_the_resource_is_up_to_date() -> None:
    made = prometheus_rule.resource(RULES.read_text(), "configs/prometheus/rules.yml")
    assert RESOURCE.read_text() == made, "run `make docs`"


def test_the_resource_has_the_same_groups() -> None:
    assert yaml.safe_load(RESOURCE.read_text())["spec"] == yaml.safe_load(RULES.read_text())
    assert parse_rules(Source(RESOURCE)) == read_rules(RULES)


def test_other_manifests_in_the_folder_are_not_checked() -> None:
    findings = check([ROOT / "configs/kubernetes"])
    assert findings.problems == []
    assert len(findings.rules) == 1
    assert findings.agent == 0
