"""The rules for the Prometheus operator are made from the rule files."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from alertdrill.agent.config.check import check
from alertdrill.agent.config.rules import parse_rules, read_rules
from alertdrill.agent.config.yaml_source import Source
from tools import prometheus_rule

ROOT = Path(__file__).parents[2]
MADE = {
    ("configs/prometheus/rules.yml", "payment-engine"): ROOT / "configs/kubernetes/prometheus-rule.yml",
    ("configs/prometheus/agent-rules.yml", "alertdrill"): ROOT / "configs/kubernetes/monitoring/prometheus-rule.yml",
}


@pytest.mark.parametrize(("source", "name"), MADE)
def test_the_resource_is_up_to_date_and_has_the_same_groups(source: str, name: str) -> None:
    rules, resource = ROOT / source, MADE[source, name]
    assert resource.read_text() == prometheus_rule.resource(rules.read_text(), source, name), "run `make docs`"
    read = yaml.safe_load(resource.read_text())
    assert read["metadata"]["name"] == name
    assert read["spec"] == yaml.safe_load(rules.read_text())
    assert parse_rules(Source(resource)) == read_rules(rules)


def test_other_manifests_in_the_folder_are_not_checked() -> None:
    findings = check([ROOT / "configs/kubernetes"])
    assert findings.problems == []
    assert len(findings.rules) == 2
    assert findings.agents == []
