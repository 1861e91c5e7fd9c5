"""The dashboard that an alert's report links to, and the time that it shows."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from alertdrill.agent.config.agent import read_agent_config
from alertdrill.agent.config.servers import Grafana
from alertdrill.agent.drilling.assembly import links
from alertdrill.agent.recording.recording import read_recording
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.report.drill import wording

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "tests" / "recordings"


def rule(alert: str, expr: str) -> RuleRecord:
    return RuleRecord(
        alert=alert,
        group="g",
        expr=expr,
        for_seconds=0,
        keep_firing_for_seconds=0,
        interval_seconds=15,
        labels={},
        annotations={},
        health="ok",
    )


def shipped() -> list[RuleRecord]:
    groups = yaml.safe_load((ROOT / "configs/prometheus/rules.yml").read_text())["groups"]
    return [rule(one["alert"], one["expr"]) for group in groups for one in group["rules"]]


def test_each_shipped_alert_links_to_the_dashboard_with_its_metrics() -> None:
    grafana = Grafana(url="http://grafana", dashboards=ROOT / "configs/grafana/dashboards")
    found = links(grafana, shipped(), [one.alert for one in shipped()])
    operations, health = "http://grafana/d/payment-engine-operations", "http://grafana/d/payment-engine-health"
    assert found == {
        "HighErrorRate": operations,
        "SystemDown": operations,
        "DatabaseConnectionsExhausted": health,
        "HighTPS": operations,
        "HighResponseTime": operations,
        "HighMemoryUsage": health,
        "LowCacheHitRate": health,
        "HighQueueDepth": found["HighQueueDepth"],
    }


def test_the_folder_of_dashboards_is_the_same_on_a_lab() -> None:
    loaded = read_agent_config(ROOT / "configs" / "agent.yml")
    moved = loaded.relocated({"prometheus:9090": "127.0.0.1:1"})
    assert moved.grafana is not None
    assert moved.grafana.dashboards == ROOT / "configs" / "grafana" / "dashboards"


def test_an_alert_without_a_dashboard_has_no_link(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text('{"uid": "other", "panels": [{"targets": [{"expr": "a_b"}]}, {}]}')
    grafana = Grafana(url="http://grafana/", dashboards=tmp_path)
    rules = [rule("Shown", "rate(a_b[5m]) > 1"), rule("Not", "c_d > 1"), rule("NotAsked", "a_b > 1")]
    assert links(grafana, rules, ["Shown", "Not"]) == {"Shown": "http://grafana/d/other"}


def test_without_the_folder_there_are_no_links(tmp_path: Path) -> None:
    assert links(Grafana(url="http://grafana", dashboards=tmp_path / "x"), [rule("A", "a_b > 1")], ["A"]) == {}


@pytest.mark.parametrize("url", ["javascript:alert(1)", "", "data:text/html,x"])
def test_a_link_that_is_not_a_web_page_is_refused(url: str) -> None:
    recording = read_recording(SAMPLES / "passed.recording.json.gz").model_copy(update={"dashboards": {"A": url}})
    assert wording.dashboard_link(recording, "A") is None


def test_the_link_spans_the_drill_in_milliseconds() -> None:
    recording = read_recording(SAMPLES / "passed.recording.json.gz")
    url = wording.dashboard_link(recording.model_copy(update={"dashboards": {"A": "https://g/d/x"}}), "A")
    assert url is not None
    start, end = (int(part.partition("=")[2]) for part in url.partition("?")[2].split("&"))
    assert url.startswith("https://g/d/x?from=")
    assert start <= recording.started_at * 1000 < recording.ended_at * 1000 <= end
    assert end - start < (recording.ended_at - recording.started_at) * 1000 + 2
