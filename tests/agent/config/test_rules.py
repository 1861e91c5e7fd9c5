"""Rule files of every spelling that Prometheus and other rulers take, and the words on those that they do not take."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from alertdrill.agent.config.check import check
from alertdrill.agent.config.rules import parse_any_rules, rule_sources
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.explaining.from_files import ExplainOptions, from_files

RULE = "{alert: A, expr: 'up == 0', labels: {severity: page}}"
RESOURCE = "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: NAME}\nspec: "
ACCEPTED = {
    "nothing": "",
    "a comment": "# no rules yet\n",
    "an empty mapping": "{}\n",
    "no groups": "groups:\n",
    "an empty group": "groups: [{name: g, rules: }]\n",
    "empty values": "groups: [{name: g, interval: , rules: [{alert: A, expr: up, for: , labels: , annotations: {a: }}]}]",
    "values that are no texts": "groups: [{name: 7, rules: [{alert: 1, expr: 1, labels: {n: 1, t: true, d: 2026-01-02}}]}]",
    "a time of no use": "groups: [{name: g, rules: [{alert: A, expr: up, annotations: {clock: 12:30:45, hex: 0x1F}}]}]",
    "a variable": 'groups: [{name: g, rules: [{alert: A, expr: up, annotations: {a: "${NOT_SET} of ${1}"}}]}]',
    "a merge": f"groups: [{{name: g, rules: [&a {RULE}, {{<<: *a, alert: B}}]}}]",
    "a merge at the end": "groups: [{name: g, rules: [{alert: B, expr: up, labels: {a: 1, <<: {a: 2, b: 3}}}]}]",
    "two merges": "groups: [{name: g, rules: [{alert: B, <<: [{expr: up}, {expr: down, for: 1m}]}]}]",
    "an interval of 0": f"groups: [{{name: g, interval: 0s, rules: [{RULE}]}}]",
    "a limit": f"groups: [{{name: g, limit: 3, rules: [{RULE}]}}]",
    "JSON": '{"groups": [{"name": "g", "rules": [{"alert": "A", "expr": "up", "for": "0"}]}]}',
    "a byte order mark": f"\ufeffgroups: [{{name: g, rules: [{RULE}]}}]",
}


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name.replace(' ', '-')}.yml"
    path.write_text(text, encoding="utf-8")
    return path


def _alerts(path: Path) -> list[str | None]:
    return [rule.alert for one in rule_sources(path) for group in parse_any_rules(one).groups for rule in group.rules]


def test_what_promtool_takes_is_read(tmp_path: Path) -> None:
    paths = [_write(tmp_path, name, text) for name, text in ACCEPTED.items()]
    ended = subprocess.run(["promtool", "check", "rules", *paths], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert check(paths).problems == []
    for path in paths:
        from_files(ExplainOptions(paths=[path]))


def test_every_value_is_the_text_of_the_file(tmp_path: Path) -> None:
    text = "groups: [{name: g, rules: [{alert: A, expr: 1, labels: {a: 010, b: yes, c: 1e3, d: 2026-01-02, e: }}]}]"
    (source,) = rule_sources(_write(tmp_path, "a", text))
    (rule,) = parse_any_rules(source).groups[0].rules
    assert (rule.expr, rule.labels) == ("1", {"a": "010", "b": "yes", "c": "1e3", "d": "2026-01-02", "e": ""})


def test_a_key_wins_over_a_merged_one_and_an_earlier_merge_over_a_later(tmp_path: Path) -> None:
    text = "groups: [{name: g, rules: [{expr: a, <<: [{expr: b, for: 1m}, {for: 2m, alert: A}]}]}]"
    (source,) = rule_sources(_write(tmp_path, "a", text))
    (rule,) = parse_any_rules(source).groups[0].rules
    assert (rule.alert, rule.expr, rule.for_ and rule.for_.total_seconds()) == ("A", "a", 60)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("namespace: shop\ngroups: []\n", 1, "namespace is a key of Mimir"),
        (f"groups:\n- name: g\n  source_tenants: [a]\n  rules: [{RULE}]\n", 3, "source_tenants is a key of Mimir"),
        (f"groups:\n- partial_response_strategy: warn\n  name: g\n  rules: [{RULE}]\n", 2, "a key of Thanos"),
        (f"groups:\n- {{name: g, concurrency: 2, rules: [{RULE}]}}\n", 2, "concurrency is a key of VictoriaMetrics"),
        (f"groups:\n- {{name: g, rules: [{RULE[:-1]}, debug: true}}]}}\n", 2, "debug is a key of VictoriaMetrics"),
        (f"groups:\n- {{name: g, type: graphite, rules: [{RULE}]}}\n", 2, "its queries are for graphite"),
        (f"{RESOURCE}\n  groups:\n  - {{name: g, partial_response_strategy: warn, rules: [{RULE}]}}\n", 6, "a key of Thanos"),
    ],
)  # fmt: skip
def test_a_key_of_another_ruler_is_passed_over_with_a_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = _write(tmp_path, "a", text)
    for passed_over in (from_files(ExplainOptions(paths=[path])).passed_over, check([path]).passed_over):
        (told,) = (one for one in passed_over if words in one)
        assert told.startswith(f"{path}:{line}: ")
    assert check([path]).problems == []


def test_each_document_and_each_item_of_a_list_is_read_and_other_objects_are_not(tmp_path: Path) -> None:
    one = f"{RESOURCE}{{groups: [{{name: g, rules: [{RULE}]}}]}}\n"
    other = "apiVersion: v1\nkind: ConfigMap\ndata: {}\n"
    item = one.replace("\n", "\n  ").strip()
    items = f"apiVersion: v1\nkind: List\nitems:\n- {item}\n- {item}\n"
    path = _write(tmp_path, "a", f"{one}---\n{other}---\n{items}")
    assert _alerts(path) == ["A", "A", "A"]
    assert len(from_files(ExplainOptions(paths=[tmp_path])).rules) == 3
    findings = check([path])
    assert (len(findings.rules), findings.problems) == (3, [])


@pytest.mark.parametrize(
    ("name", "text", "line", "words"),
    [
        (
            "a",
            f"{{{{- if .Values.on }}}}\ngroups: [{{name: g, rules: [{RULE}]}}]\n{{{{- end }}}}\n",
            1,
            "helm template",
        ),
        ("b", "groups:\n- name: {{ .Release.Name }}\n  rules: []\n", 2, "helm template"),
        ("c", "groups:\n{% for one in all %}\n- name: x\n{% endfor %}\n", 2, "a template of Jinja"),
        ("d", "local a = import 'b';\n{ groups+: [ { name: 'g' } ] }\n", 1, "`jsonnet FILE`"),
    ],
)
def test_a_template_is_told_to_be_one(tmp_path: Path, name: str, text: str, line: int, words: str) -> None:
    path = _write(tmp_path, name, text)
    with pytest.raises(ConfigError) as error:
        from_files(ExplainOptions(paths=[path]))
    for problem in (*error.value.problems, *check([path]).problems):
        assert problem.startswith(f"{path}:{line}: is ")
        assert words in problem


def test_a_template_in_a_folder_is_passed_over(tmp_path: Path) -> None:
    _write(tmp_path, "a", "{{- if .Values.on }}\n")
    _write(tmp_path, "b", f"groups: [{{name: g, rules: [{RULE}]}}]")
    explanation = from_files(ExplainOptions(paths=[tmp_path]))
    assert len(explanation.rules) == 1
    assert "helm template" in explanation.passed_over[0]


def test_metricsql_is_not_called_wrong(tmp_path: Path) -> None:
    rule = "{alert: A, expr: 'rate(x) > 1'}"
    path = _write(tmp_path, "a", f"groups: [{{name: g, concurrency: 2, rules: [{rule}]}}]")
    findings = check([path])
    assert findings.problems == []
    assert any("may be MetricsQL" in line for line in findings.passed_over)


def test_a_query_of_loki_is_not_called_wrong(tmp_path: Path) -> None:
    expr = """'sum(rate({app="shop"} |= "error" [5m])) > 10'"""
    path = _write(tmp_path, "a", f"groups: [{{name: g, rules: [{{alert: A, expr: {expr}}}]}}]")
    assert check([path]).problems == []
    (rule,) = from_files(ExplainOptions(paths=[path])).rules
    (remark,) = (one for one in rule.remarks if one.name == "unreadable")
    assert "this is LogQL" in remark.text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("groups: 5\n", "1: groups: is a text, expected a list"),
        ("groups: [3]\n", "1: groups[0]: is a text, expected a mapping of keys to values"),
        ("groups: [{rules: []}]\n", "1: groups[0].name: is missing"),
        ("groups:\n- name: g\n- name: h\n- name: g\n", "1: groups: group 3 has the name of group 1, 'g'"),
        ("groups: [{name: g, rules: [{alert: [A], expr: up}]}]\n", "groups[0].rules[0].alert: is a list, expected a text"),
        ("groups: [{name: g, rules: [{alert: A, expr: up, labels: [a]}]}]\n", "labels: is a list, expected a mapping"),
        ("groups: [{name: g, limit: many, rules: []}]\n", "groups[0].limit: is a text, expected a whole number"),
        ("groups: [{name: g, rules: [{<<: 5}]}]\n", "groups[0].rules[0].<<: expected a mapping to merge"),
        ("groups: [{name: g, rules: [{alert: A, expr: up, for: 5}]}]\n", "for: 5 has no unit, expected a duration"),
        ("groups: [{name: g, type: [a], rules: 5}]\n", "groups[0].rules: is a text, expected a list"),
        ("groups: []\nkind: [a]\n", "kind: unknown key"),
        ("kind: PrometheusRule\napiVersion: v1\nspec: {groups: []}\n", "the apiVersion of a PrometheusRule is 'v1'"),
    ],
)  # fmt: skip
def test_an_error_has_the_words_of_the_file(tmp_path: Path, text: str, problem: str) -> None:
    path = _write(tmp_path, "a", text)
    with pytest.raises(ConfigError) as error:
        from_files(ExplainOptions(paths=[path]))
    assert problem in error.value.problems[0]
    assert problem in check([path]).problems[0]


def test_prometheus_yml_is_read_as_prometheus_reads_it(tmp_path: Path) -> None:
    rules = _write(tmp_path, "rules", f"groups: [{{name: g, interval: 0s, rules: [{RULE}]}}]")
    config = (
        "global: {scrape_interval: 0s, evaluation_interval: 30s, external_labels: {host: '${HOSTNAME_OF_NOBODY}'}}\n"
    )
    (tmp_path / "prometheus.yml").write_text(f"{config}scrape_configs:\n")
    (rule,) = from_files(ExplainOptions(paths=[rules])).rules
    assert (rule.located.timing.scrape, rule.located.timing.interval) == (60, 30)
