"""What this machine gives, and how late a Prometheus is, from its own metrics."""

from __future__ import annotations

import time
from typing import Any

import aiohttp

from alertdrill.lab.pace import ScrapeTiming, read_timing, spare, timing
from alertdrill.lab.stack import Lab
from alertdrill.units.processor_time import processors
from tests.support.waiting import until

METRICS = """\
# TYPE prometheus_rule_group_iterations_missed_total counter
prometheus_rule_group_iterations_missed_total{rule_group="rules.yml;a"} 2
prometheus_rule_group_iterations_missed_total{rule_group="rules.yml;b"} 1
go_goroutines 40
"""
FAST, SLOW = ("payment-engine", "127.0.0.1:1"), ("redis", "127.0.0.1:2")
INTERVALS = {FAST: 0.25, SLOW: 1.0}


def scrapes(*instants: float, seconds: float = 0.02) -> list[tuple[float, float]]:
    return [(at, seconds) for at in instants]


def test_the_longest_gap_beside_its_interval_the_longest_scrape_and_skipped_evaluations_are_read() -> None:
    fast = [*scrapes(98.25, 98.5, 98.75, 99.5, 99.75), (100.0, 0.03)]
    found = read_timing(METRICS, INTERVALS, {FAST: fast, SLOW: scrapes(98.9, 99.9)}, 100.0)
    assert (found.scrape_late_seconds, found.scrape_seconds, found.evaluations_skipped) == (0.5, 0.03, 3)


def test_a_prometheus_that_stopped_scraping_is_late() -> None:
    found = read_timing("", INTERVALS, {FAST: scrapes(98.25, 98.75), SLOW: scrapes(98.9, 99.9)}, 100.0)
    assert found.scrape_late_seconds == 1.0
    assert read_timing("", INTERVALS, {}, 100.0).scrape_late_seconds == 1.75


def test_a_prometheus_that_scrapes_in_time_is_not_late() -> None:
    assert read_timing("", {SLOW: 1.0}, {SLOW: scrapes(98.2, 99.2)}, 100.0) == ScrapeTiming(0.0, 0.02, 0)
    assert read_timing("go_goroutines 40\n", {("monthly", "a"): 5.0}, {}, 100.0) == ScrapeTiming(0.0, 0.0, 0)


async def test_a_machine_gives_some_time_and_no_more_than_it_has() -> None:
    found = await spare()
    assert 0 < found.free <= found.of * 1.05
    assert found.of == processors()
    assert found.speed > 0
    assert 0 <= found.stolen <= 1


async def test_a_lab_that_gets_another_time_scale_has_new_monitoring_and_the_same_services(lab: Lab) -> None:
    engine, prometheus = lab.servers["payment-engine"].pid, lab.servers["prometheus"].pid
    before = time.time()
    await lab.change_scale(10.0)
    try:
        assert await _intervals(lab) == {"500ms"}
        flags = await _asked(lab, "/api/v1/status/flags")
        assert flags["query.lookback-delta"] == "30s"
        assert (await _asked(lab, f"/api/v1/query?query=up[10m]&time={before:.3f}"))["result"] == []
        assert lab.servers["payment-engine"].pid == engine
        assert lab.servers["prometheus"].pid != prometheus
        await until(lambda: _has_scraped(lab), "there are scrapes within the time that is looked at")
    finally:
        await lab.change_scale(30.0)
    assert await _intervals(lab) == {"250ms"}


async def _has_scraped(lab: Lab) -> bool:
    return (await timing(f"http://{lab.addresses['prometheus:9090']}")).scrape_seconds > 0


async def _intervals(lab: Lab) -> set[str]:
    targets = (await _asked(lab, "/api/v1/targets"))["activeTargets"]
    return {target["scrapeInterval"] for target in targets if target["labels"]["job"] == "payment-engine"}


async def _asked(lab: Lab, path: str) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{lab.addresses['prometheus:9090']}{path}") as response,
    ):
        return (await response.json())["data"]
