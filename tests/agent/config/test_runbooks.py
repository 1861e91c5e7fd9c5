from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import promql_parser
import pytest
import yaml

from alertdrill.agent.config import runbooks
from alertdrill.agent.config.check import check
from alertdrill.agent.config.drill import read_drill
from alertdrill.agent.config.rules import read_rules
from alertdrill.agent.explaining.from_files import ExplainOptions, from_files
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.report.drill import html
from alertdrill.agent.report.drill import json as json_report
from alertdrill.agent.report.explain import seconds_words
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.runbook import located
from alertdrill.agent.verdict.verdict import Judgement

ROOT = Path(__file__).parents[3]
RULES = ROOT / "configs/prometheus/rules.yml"
PAGES = ROOT / "configs/runbooks"
SEED = {
    "HighErrorRate": "high-error-rate",
    "SystemDown": "system-down",
    "DatabaseConnectionsExhausted": "database-connections-exhausted",
    "HighTPS": "high-tps",
    "HighResponseTime": "database-latency",
    "HighMemoryUsage": "high-memory-usage",
    "LowCacheHitRate": "low-cache-hit-rate",
    "HighQueueDepth": "high-queue-depth",
}
RULE = (
    "groups:\n  - name: g\n    rules:\n      - alert: Slow\n        expr: up == 0\n        annotations:\n          {}\n"
)


def read(alert: str) -> str:
    return (PAGES / f"{alert}.md").read_text(encoding="utf-8")


def test_each_alert_of_the_strategy_has_its_own_page() -> None:
    rules = [rule for group in read_rules(RULES).groups for rule in group.rules]
    pages = {str(rule.alert): runbooks.page(PAGES, rule.annotations["runbook_url"]) for rule in rules}
    assert pages == {alert: PAGES / f"{alert}.md" for alert in SEED}


@pytest.mark.parametrize("alert", SEED)
def test_a_page_has_every_section_for_the_person_on_call(alert: str) -> None:
    headings = re.findall(r"^## (.*)$", read(alert), re.MULTILINE)
    assert headings == [
        "What it means",
        "First five minutes",
        "Queries",
        "How to undo",
        "The drill that proves it",
    ]


@pytest.mark.parametrize("alert", SEED)
def test_a_page_has_the_window_of_its_rule(alert: str) -> None:
    (explained,) = from_files(ExplainOptions(paths=[RULES], rule=alert)).rules
    stated = dict(re.findall(r"^\| (.*?) \| (.* \| .*) \|$", read(alert), re.MULTILINE))
    wanted = {
        leg.name: f"{seconds_words(leg.earliest)} | {seconds_words(leg.latest)}"
        for leg in explained.prospect.legs
        if not leg.name.endswith("notified of the end")
    }
    wanted["resolved, after the cause is gone"] = wanted.pop("resolved")
    assert {name: stated.get(name) for name in wanted} == wanted
    assert explained.located.rule.expr in read(alert)


@pytest.mark.parametrize("alert", SEED)
def test_a_link_has_the_query_beside_it(alert: str) -> None:
    queries = re.findall(r"^- \[[^\]]+\]\((\S+)\): `(.+)`$", read(alert), re.MULTILINE)
    assert len(queries) >= 4
    for url, written in queries:
        parts = urlsplit(url)
        assert (parts.netloc, parts.path) == ("prometheus:9090", "/graph")
        assert parse_qs(parts.query)["g0.expr"] == [written]
        promql_parser.parse(written)


@pytest.mark.parametrize(("alert", "drill"), SEED.items())
def test_a_page_names_a_drill_that_expects_its_alert(alert: str, drill: str) -> None:
    assert f"alertdrill drill configs/drills/{drill}.yml --lab" in read(alert)
    assert alert in {one.alert for one in read_drill(ROOT / f"configs/drills/{drill}.yml").expect}


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://wiki.your.org/runbooks/Slow", "Slow"),
        ("https://wiki.your.org/runbooks/Slow.md?raw=1#first", "Slow"),
        ("https://wiki.your.org/runbooks/Slow/", "Slow"),
        ("Slow.md", "Slow"),
        ("https://wiki.your.org/", None),
        ("https://wiki.your.org/README", None),
        ("https://wiki.your.org/..%2Fsecret", None),
        ("https://[wiki/Slow", None),
    ],
)
def test_the_last_part_of_a_url_names_the_page(tmp_path: Path, url: str, found: str | None) -> None:
    folder = tmp_path / "runbooks"
    folder.mkdir()
    for path in (folder / "Slow.md", folder / "README.md", tmp_path / "secret.md"):
        path.touch()
    assert runbooks.page(folder, url) == (folder / f"{found}.md" if found else None)


def write(folder: Path, annotation: str, page: str | None = "Slow") -> Path:
    path = folder / "prometheus/rules.yml"
    path.parent.mkdir()
    path.write_text(RULE.format(annotation))
    if page is not None:
        (folder / "runbooks").mkdir()
        (folder / f"runbooks/{page}.md").touch()
    return path


def test_an_alert_without_a_runbook_is_reported_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "summary: s")
    (problem,) = check([tmp_path]).problems
    assert problem == (
        f"{path}:4: groups[0].rules[0].alert: the alert Slow has no runbook_url, expected one that ends in /Slow,"
        f" for {tmp_path}/runbooks/Slow.md"
    )


def test_a_runbook_without_a_page_is_reported_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "runbook_url: https://wiki/Slwo")
    (problem,) = check([tmp_path]).problems
    assert problem == (
        f"{path}:7: groups[0].rules[0].annotations.runbook_url: 'https://wiki/Slwo' is not a page of"
        f" {tmp_path}/runbooks, did you mean Slow?"
    )


@pytest.mark.parametrize(
    ("annotation", "page"),
    [
        ("runbook_url: https://wiki/Slow", "Slow"),
        ("runbook_url: 'https://wiki/{{ $labels.job }}'", "Slow"),
        ("runbook_url: https://wiki/Elsewhere", None),
        ("summary: s", None),
    ],
)
def test_pages_are_required_only_beside_a_folder_of_runbooks(tmp_path: Path, annotation: str, page: str | None) -> None:
    write(tmp_path, annotation, page)
    assert check([tmp_path]).problems == []


def test_the_alerts_of_a_prometheus_rule_need_pages_too(tmp_path: Path) -> None:
    path = write(tmp_path, "summary: s")
    resource = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule"}
    path.write_text(yaml.safe_dump(resource | {"spec": yaml.safe_load(path.read_text())}))
    (problem,) = check([tmp_path]).problems
    assert ": spec.groups[0].rules[0].alert: the alert Slow has no runbook_url" in problem


def with_runbook(recording: Recording, url: str) -> Recording:
    def linked(rule: RuleRecord) -> RuleRecord:
        return rule.model_copy(update={"annotations": {"runbook_url": url}})

    return recording.model_copy(update={"rules": [linked(rule) for rule in recording.rules]})


def judged(recording: Recording, folder: Path) -> Judgement:
    """Judge, with runbooks as a report in `folder/reports` links them."""
    return located(judge(recording), folder / "runbooks", folder / "reports")


def test_reports_link_the_page_and_its_url(passed: Recording, tmp_path: Path) -> None:
    write(tmp_path, "runbook_url: https://wiki/Slow")
    recording = with_runbook(passed, "https://wiki/Slow")
    judgement = judged(recording, tmp_path)
    assert (
        '"runbook": {\n        "url": "https://wiki/Slow",\n        "page": "../runbooks/Slow.md"'
        in json_report.render(recording, judgement)
    )
    page = html.render(recording, judgement)
    assert '<a href="../runbooks/Slow.md">Slow.md</a>, <a href="https://wiki/Slow">https://wiki/Slow</a>' in page


def test_a_missing_page_is_not_linked(missed: Recording, tmp_path: Path) -> None:
    recording = with_runbook(missed, "https://wiki/Slow")
    page = html.render(recording, judged(recording, tmp_path))
    assert 'Runbook: <a href="https://wiki/Slow">https://wiki/Slow</a></p>' in page


def test_a_runbook_url_that_runs_a_program_is_not_a_link(passed: Recording) -> None:
    recording = with_runbook(passed, "javascript:alert(1)")
    page = html.render(recording, judge(recording))
    assert "Runbook: javascript:alert(1)</p>" in page
    assert "href=" not in page.split("</head>")[1].split("<h2>Time line")[0]


def test_a_runbook_url_with_a_template_is_left_out(passed: Recording) -> None:
    assert judge(with_runbook(passed, "https://wiki/{{ $labels.job }}")).verdicts[0].runbook is None
