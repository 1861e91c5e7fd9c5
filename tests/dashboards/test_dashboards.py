"""Promises of every dashboard: Grafana can load it, and each panel has a unit, a text and a legend."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard as Model

from dashboards.build import RANGES, grafana_json
from dashboards.catalogue import DASHBOARDS
from dashboards.panel import Dashboard
from dashboards.prometheus_queries import filled

FOLDER = Path(__file__).parents[2] / "configs" / "grafana" / "dashboards"
# The requirements of the monitoring strategy, quoted, and the panels that meet them.
BULLETS = {
    "payment-engine-operations": {
        "TPS over time (1-minute intervals)": ["Transactions a second over time"],
        "Response time percentiles (P50, P95, P99)": ["Response time percentiles"],
        "Error rate and error types": ["Error rate over time", "Errors by type"],
        "Active transactions count": ["Active transactions"],
        "Queue depth and processing time": ["Queue depth", "Processing time"],
    },
    "payment-engine-health": {
        "CPU and memory usage": ["CPU usage", "Memory usage"],
        "Database connection pool status": ["Pool in use", "Pool usage", "Waiting for a connection"],
        "Cache hit rates and performance": ["Cache hit rate", "Cache look-ups", "Redis commands"],
        "Kafka consumer lag": ["Kafka consumer lag"],
        "Network I/O and disk I/O": ["Network", "Disk"],
    },
    "payment-engine-business": {
        "Daily transaction volume": ["Daily transaction volume"],
        "Amount processed by currency": ["Amount by currency"],
        "Fee collection trends": ["Fees collected"],
        "High-value transaction alerts": ["High-value transactions", "Amount of high-value transactions"],
        "Tenant performance comparison": ["Response time by tenant", "Errors by tenant", "Tenants beside each other"],
    },
    "payment-engine-infrastructure": {
        "Kubernetes pod status": ["Pods by phase", "Pods that are not ready"],
        "Load balancer health": ["Servers up", "Errors at the load balancer"],
        "Database performance metrics": ["Transactions in PostgreSQL", "Blocks found in memory"],
        "Redis cluster status": ["Redis is up", "Clients and replicas"],
        "Kafka cluster health": ["Brokers", "Members of consumer groups"],
    },
}
EACH = pytest.mark.parametrize("spec", DASHBOARDS, ids=lambda spec: spec.uid)


def made(spec: Dashboard) -> dict[str, Any]:
    return dict(json.loads(grafana_json(spec)))


@EACH
def test_the_file_is_up_to_date(spec: Dashboard) -> None:
    assert (FOLDER / f"{spec.uid}.json").read_text(encoding="utf-8") == grafana_json(spec), "run `make dashboards`"


def test_there_is_no_file_of_a_removed_dashboard() -> None:
    assert {path.stem for path in FOLDER.glob("*")} == {spec.uid for spec in DASHBOARDS}


@EACH
def test_grafanas_model_knows_every_field(spec: Dashboard) -> None:
    written = made(spec) | {"annotations": {"list": []}}  # the model lacks fields of the Prometheus data source
    read = json.loads(JSONEncoder().encode(Model.from_json(written)))
    assert read == written


@EACH
def test_every_requirement_of_the_strategy_has_its_panels(spec: Dashboard) -> None:
    titles = {panel.title for panel in spec.panels}
    assert {title for wished in BULLETS[spec.uid].values() for title in wished} <= titles


@EACH
def test_a_panel_has_a_unit_a_text_and_a_legend(spec: Dashboard) -> None:
    for panel in spec.panels:
        assert panel.unit, panel.title
        assert panel.text.endswith("."), panel.title
        assert all(query.legend for query in panel.queries), panel.title


@EACH
def test_titles_are_unique(spec: Dashboard) -> None:
    titles = [panel.title for panel in spec.panels]
    assert sorted(set(titles)) == sorted(titles)


@EACH
def test_every_query_is_valid_promql(spec: Dashboard) -> None:
    for panel in spec.panels:
        for query in panel.queries:
            promql.parse(filled(query.expr, spec))
            assert "$" not in filled(query.expr, spec)


@EACH
def test_no_two_panels_share_a_place_or_an_id(spec: Dashboard) -> None:
    panels = made(spec)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


@EACH
def test_the_four_time_ranges_are_links(spec: Dashboard) -> None:
    urls = [link["url"] for link in made(spec)["links"] if link["type"] == "link"]
    assert urls == [f"/d/{spec.uid}?from=now-{span}&to=now" for span in RANGES]
    assert RANGES == ("1h", "6h", "24h", "7d")


@EACH
def test_alerts_and_faults_of_drills_are_annotations(spec: Dashboard) -> None:
    marks = {one["name"]: one["expr"] for one in made(spec)["annotations"]["list"]}
    assert marks == {"Alerts": 'ALERTS{alertstate="firing"}', "Faults of drills": "alertdrill_fault_active == 1"}


@EACH
def test_colours_go_from_green_over_yellow_to_red_or_back(spec: Dashboard) -> None:
    with_limits = [panel for panel in spec.panels if panel.limits is not None]
    assert with_limits or spec.uid == "payment-engine-business"
    by_title = {panel["title"]: panel for panel in made(spec)["panels"]}
    for panel in with_limits:
        steps = by_title[panel.title]["fieldConfig"]["defaults"]["thresholds"]["steps"]
        colours = [step["color"] for step in steps]
        assert colours in (["green", "yellow", "red"], ["red", "yellow", "green"])
        bounds = [step["value"] for step in steps]
        assert bounds[0] is None
        assert bounds[1] < bounds[2]


def test_the_variables_narrow_every_business_panel() -> None:
    (business,) = (spec for spec in DASHBOARDS if spec.uid == "payment-engine-business")
    assert [variable.name for variable in business.variables] == ["tenant", "currency"]
    for panel in business.panels:
        for query in panel.queries:
            assert '{tenant=~"$tenant"' in query.expr, panel.title
            # The engine has response times and errors by tenant, but not by currency.
            assert '"$currency"}' in query.expr or "payment_engine_tenants_" in query.expr, panel.title
