"""`alertdrill explain --config`: rules, intervals, series and routes of real servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.explaining.from_files import ExplainOptions
from alertdrill.agent.explaining.from_servers import from_servers
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.rules.explanation import ExplainedRule
from alertdrill.lab.ports import free_ports
from alertdrill.lab.programs import find_programs
from alertdrill.lab.server import Server, Spec
from tests.support.answering import patient_server

RULES = """\
groups:
  - name: own
    interval: 3s
    rules:
      - alert: Pairs
        expr: rate(prometheus_http_request_duration_seconds_sum[1m]) / rate(prometheus_http_request_duration_seconds_count[1m]) > 2
        for: 10s
        labels: {severity: page}
      - alert: NeverPairs
        expr: rate(prometheus_http_requests_total[1m]) / rate(process_cpu_seconds_total[1m]) > 2
      - record: job:requests:rate1m
        expr: rate(prometheus_http_requests_total[1m])
      - alert: Recorded
        expr: job:requests:rate1m > 1000
      - alert: Level
        expr: prometheus_http_requests_total > 5 or prometheus_sd_discovered_targets > 9
      - alert: Slow
        expr: histogram_quantile(0.9, rate(prometheus_http_request_duration_seconds_bucket[1m])) > 7
"""
SEEN = (
    "rate(process_cpu_seconds_total[1m]) and on (job) rate(prometheus_http_requests_total[1m])"
    " and on (job) rate(prometheus_http_request_duration_seconds_bucket[1m])"
)
ALERTMANAGER = """\
route: {receiver: a, routes: [{matchers: [severity="page"], receiver: pager, group_wait: 1s, group_interval: 7s}]}
receivers: [{name: a}, {name: pager}]
"""


def _prometheus(folder: Path, port: int) -> Spec:
    (folder / "rules.yml").write_text(RULES)
    (folder / "prometheus.yml").write_text(
        # So long may a scrape take: on a busy machine one of a second fails, and its series are gone until the next one.
        "global: {scrape_interval: 5s, scrape_timeout: 5s, evaluation_interval: 1s}\n"
        "rule_files: [rules.yml]\nscrape_configs:\n"
        f"  - {{job_name: prometheus, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}\n"
        "  - {job_name: slow, scrape_interval: 30s, static_configs: [{targets: ['127.0.0.1:1']}]}\n"
    )
    flags = [f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder}/data"]
    command = [str(find_programs()["prometheus"]), f"--config.file={folder}/prometheus.yml", *flags]
    return Spec("prometheus", command, port, health="/-/ready")


def _alertmanager(folder: Path, port: int) -> Spec:
    (folder / "alertmanager.yml").write_text(ALERTMANAGER)
    flags = [f"--web.listen-address=127.0.0.1:{port}", f"--storage.path={folder}/am", "--cluster.listen-address="]
    command = [str(find_programs()["alertmanager"]), f"--config.file={folder}/alertmanager.yml", *flags]
    return Spec("alertmanager", command, port, health="/-/ready")


def _agent(folder: Path, prometheus: int, alertmanager: int) -> Path:
    path = folder / "agent.yml"
    path.write_text(
        'probe: {kind: http, url: "http://127.0.0.1:1/"}\ntoxiproxy: {url: "http://127.0.0.1:1"}\n'
        f'prometheus: {{url: "http://127.0.0.1:{prometheus}", timeout: 60s}}\n'
        f'alertmanager: {{url: "http://127.0.0.1:{alertmanager}", timeout: 60s}}\n'
    )
    return path


@pytest_asyncio.fixture(scope="module")
async def config(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """A Prometheus that scrapes itself, and an Alertmanager."""
    folder = tmp_path_factory.mktemp("live")
    ports = free_ports(2)
    specs = [_prometheus(folder, ports[0]), _alertmanager(folder, ports[1])]
    servers = [Server(spec, folder, find_programs()["setpriv"]) for spec in specs]
    try:
        for server in servers:
            await server.wait_ready()
        prometheus = Prometheus(patient_server(f"http://127.0.0.1:{ports[0]}"))
        async with asyncio.timeout(60):
            while not await prometheus.holds(SEEN):  # noqa: ASYNC110 - a server sets no event
                await asyncio.sleep(0.2)
        yield _agent(folder, *ports)
    finally:
        for server in servers:
            await server.stop()


async def _explained(config: Path) -> dict[str, ExplainedRule]:
    return {one.located.rule.alert: one for one in (await from_servers(config, ExplainOptions())).rules}


async def test_intervals_and_routes_are_those_of_the_servers(config: Path) -> None:
    pairs = (await _explained(config))["Pairs"]
    assert (pairs.located.timing.scrape, pairs.located.timing.interval) == (5, 3)
    assert pairs.located.basis[0].startswith("scrape interval 5s: job prometheus, of http://127.0.0.1:")
    notified = next(leg for leg in pairs.prospect.legs if leg.name == "pager notified")
    assert "group_wait 1 s" in notified.arithmetic
    assert "group_interval 7 s" in notified.arithmetic


async def test_labels_of_the_real_series_prove_whether_two_sides_pair(config: Path) -> None:
    found = await _explained(config)
    remarks = {name: {one.name: one.text for one in rule.remarks} for name, rule in found.items()}
    assert "0 pairs: `/` has" in remarks["NeverPairs"]["unpaired"]
    assert "handler" in remarks["NeverPairs"]["unpaired"]
    assert not {"unpaired", "one_label_more"} & set(remarks["Pairs"])


async def test_a_recorded_series_is_explained_by_the_rule_of_the_server(config: Path) -> None:
    pending = (await _explained(config))["Recorded"].prospect.legs[0]
    # The range of 60 s, a scrape of 5 s, and an evaluation of 3 s for each of the two rules.
    assert (pending.earliest, pending.latest) == (0, 71)


async def test_types_of_metrics_are_those_of_the_server(config: Path) -> None:
    (told,) = (one for one in (await _explained(config))["Level"].remarks if one.name == "counter_without_rate")
    assert (told.severity, "prometheus_http_requests_total is a counter:" in told.text) == ("problem", True)


async def test_bounds_of_the_real_histogram_are_known(config: Path) -> None:
    slow = (await _explained(config))["Slow"]
    remark = next(one for one in slow.remarks if one.name == "bucket_bound")
    assert "7 is not a bound of the histogram: between 3 and 8 the quantile is a guess" in remark.text


async def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    (nobody,) = free_ports(1)
    with pytest.raises(ServiceUnavailable, match="Prometheus"):
        await from_servers(_agent(tmp_path, nobody, nobody), ExplainOptions())
