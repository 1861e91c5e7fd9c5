"""What promtool says of small rule files, and what `check` and `explain` say of them: both directions."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from alertdrill.agent.config.check import check
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.explaining.from_files import ExplainOptions, from_files

# Each rule stands in line 3.
REFUSED = {
    "a recording rule with for": ("record: a, expr: up, for: 1m", "for: is of alerts alone"),
    "a recording rule with keep_firing_for": ("record: a, expr: up, keep_firing_for: 1m", "keep_firing_for: is of"),
    "a recording rule with annotations": ("record: a, expr: up, annotations: {a: b}", "annotations: are of alerts alone"),
    "an expression as a recorded name": ("record: 'a{b=\"c\"}', expr: up", "has braces, expected a name"),
    "an empty expression": ("alert: A, expr: ''", "expr: is empty, expected PromQL"),
    "an expression of spaces": ("alert: A, expr: '  '", "expr: is empty, expected PromQL"),
    "no expression": ("alert: A", "expr: is missing"),
    "neither alert nor record": ("expr: up", "expected either alert or record"),
    "both alert and record": ("alert: A, record: a, expr: up", "expected either alert or record"),
    "the name as a label": ("alert: A, expr: up, labels: {__name__: a}", "labels.__name__: '__name__' is not a name"),
    "the name as a label of a recording rule": ("record: a, expr: up, labels: {__name__: a}", "is not a name of a label"),
    "a label without a name": ("alert: A, expr: up, labels: {'': a}", "'' is not a name of a label"),
    "an annotation without a name": ("alert: A, expr: up, annotations: {'': a}", "'' is not a name of an annotation"),
    "an action that is not closed": ("alert: A, expr: up, labels: {a: '{{ $value }'}", "labels.a: is not a template"),
    "an unknown variable": ("alert: A, expr: up, annotations: {a: '{{ $label.a }}'}", "undefined variable $label"),
    "an unknown function": ("alert: A, expr: up, annotations: {a: '{{ round $value }}'}", "function 'round' is not"),
    "a block without an end": ("alert: A, expr: up, annotations: {a: '{{ if $value }}a'}", "{{ end }} is missing"),
    "a rule that is a text": ("", "expected a mapping"),
    "an unknown key": ("alert: A, expr: up, summary: a", "summary: unknown key"),
    "a duration without a unit": ("alert: A, expr: up, for: 5", "for: 5 has no unit"),
    "a list as a label": ("alert: A, expr: up, labels: {a: [b]}", "labels.a: is a list, expected a text"),
}  # fmt: skip
ACCEPTED = {
    "a recording rule that waits for nothing": "record: a:b, expr: up, for: 0s, keep_firing_for: 0s, annotations: {}",
    "a recording rule with a template as a label": "record: a, expr: up, labels: {a: '{{ $value }'}",
    "an alert of any name": "alert: 'Größer, {a} als', expr: up",
    "an alert with an empty label": "alert: A, expr: up, labels: {a: ''}",
    "a template of alerts": "alert: A, expr: up, annotations: {a: '{{ with $l := $labels }}{{ $l.a | toUpper }}{{ end }}'}",
    "a query in a template": "alert: A, expr: up, annotations: {a: '{{ range query \"up\" }}{{ .Labels.a }}{{ end }}'}",
    "a comment in a template": "alert: A, expr: up, annotations: {a: '{{- /* a */ -}} {{ printf `%.2f` $value }}'}",
    "braces of no template": "alert: A, expr: up, annotations: {a: '}} { $value }'}",
    "a reserved label": "alert: A, expr: up, labels: {__a__: b, alertname: B}",
    "a variable that is set": "alert: A, expr: up, annotations: {a: '{{ $a := 1 }}{{ $a = 2 }}{{ $a }}{{ $externalURL }}'}",
}  # fmt: skip
# Refused by 2, taken by 3.
NEW = {
    "a recorded name with a dash": "record: a-b, expr: up",
    "a label with a dot": "alert: A, expr: up, labels: {service.name: a}",
    "an annotation with a space": "alert: A, expr: up, annotations: {run book: a}",
}
PROMTOOL = "check", "rules"


def _file(folder: Path, rule: str) -> Path:
    path = folder / "rules.yml"
    path.write_text(f"groups:\n- name: g\n  rules: [{{{rule}}}]\n" if rule else "groups:\n- name: g\n  rules: [a]\n")
    return path


def _promtool_takes(path: Path) -> bool:
    return subprocess.run(["promtool", *PROMTOOL, path], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("name", REFUSED)
def test_what_promtool_refuses_is_an_error_with_its_line(tmp_path: Path, name: str) -> None:
    rule, words = REFUSED[name]
    path = _file(tmp_path, rule)
    assert not _promtool_takes(path)
    with pytest.raises(ConfigError) as error:
        from_files(ExplainOptions(paths=[path]))
    for problems in (error.value.problems, tuple(check([path]).problems)):
        assert any(problem.startswith(f"{path}:3: groups[0].rules[0]") and words in problem for problem in problems)


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_promtool_takes_is_no_error(tmp_path: Path, name: str) -> None:
    path = _file(tmp_path, ACCEPTED[name])
    assert _promtool_takes(path)
    from_files(ExplainOptions(paths=[path]))
    findings = check([path])
    assert (findings.problems, findings.passed_over) == ([], [])


@pytest.mark.parametrize("name", NEW)
def test_a_name_that_only_prometheus_3_takes_is_noted(tmp_path: Path, name: str) -> None:
    path = _file(tmp_path, NEW[name])
    assert not _promtool_takes(path)
    for passed_over in (from_files(ExplainOptions(paths=[path])).passed_over, tuple(check([path]).passed_over)):
        (line,) = passed_over
        assert line.startswith(f"{path}:3: the name ")
        assert line.endswith("is taken by Prometheus 3 and refused by 2")
    assert check([path]).problems == []


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(
        "groups:\n- name: g\n  rules:\n  - {record: a, expr: up, for: 1m}\n  - {alert: A, expr: up, for: 5}\n"
    )
    assert [problem.partition(":")[2][:2] for problem in check([path]).problems] == ["5:", "4:"]


def test_rules_of_victoriametrics_may_have_its_own_functions(tmp_path: Path) -> None:
    annotation = json.dumps("{{ $value | jsonEscape }}")
    path = tmp_path / "rules.yml"
    path.write_text(
        f"groups:\n- name: g\n  concurrency: 2\n  rules: [{{alert: A, expr: up, annotations: {{a: {annotation}}}}}]\n"
    )
    assert check([path]).problems == []
    from_files(ExplainOptions(paths=[path]))


def test_an_object_that_is_no_rule_file_is_told_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text("apiVersion: v1\nkind: ConfigMap\ndata: {rules.yml: 'groups: []'}\n")
    with pytest.raises(
        ConfigError, match=r"rules\.yml:2: kind: is ConfigMap, expected a rule file or a PrometheusRule"
    ):
        from_files(ExplainOptions(paths=[path]))
