"""The metrics show what the tally holds, in names and formats that Prometheus' own tools accept."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.serving.metrics import AgentState, registry
from alertdrill.agent.serving.server import metrics_route, serving
from alertdrill.lab.ports import free_ports
from alertdrill.probes.load.second_counter import Samples, SecondCounts
from alertdrill.probes.load.tally import Distribution, Tally

DRILL = AgentState(
    checks=("status is 201", 'says "paid"\\\n'),
    drill="database-latency",
    phase="fault",
    faults={("latency", "proxy postgres (downstream)"): 1, ("latency", "proxy redis (downstream)"): 0},
)


def _samples(*seconds: float) -> Samples:
    return Samples(Counter(int(value * 1e6) for value in seconds), sum(seconds))


@pytest.fixture
def tally() -> Tally:
    made = Tally()
    made.add(
        SecondCounts(
            offset=0,
            target_rate=12.0,
            due=12,
            ended=8,
            failed=3,
            dropped=2,
            lost=1,
            in_flight=1,
            latencies=_samples(0.0005, 0.001, 0.3, 0.4, 1.99, 2.1, 4.9, 31.0),
            durations=_samples(0.0004, 0.0009, 0.2, 0.3, 1.5, 2.0, 4.0, 30.0),
            lateness=_samples(*[0.0002] * 8, 0.9),
            reasons=Counter(timeout=2, check=1),
            failed_checks=Counter({"status is 201": 1}),
        )
    )
    return made


def _scraped(situation: AgentState) -> dict[str, float]:
    """Scrape, and key each value by its series: `name{label=value}`."""
    text = generate_latest(registry(lambda: situation)).decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {f"{one.name}{sorted(one.labels.values()) or ''}": one.value for one in samples}


def test_every_count_of_the_tally_is_a_metric(tally: Tally) -> None:
    scraped = _scraped(AgentState(tally))
    assert scraped["alertdrill_transactions_total['succeeded']"] == 5
    assert scraped["alertdrill_transactions_total['failed']"] == 3
    assert scraped["alertdrill_transactions_total['dropped']"] == 2
    assert scraped["alertdrill_transactions_total['lost']"] == 1
    assert scraped["alertdrill_transactions_failed_total['timeout']"] == 2
    assert scraped["alertdrill_checks_failed_total['status is 201']"] == 1
    assert scraped["alertdrill_transactions_in_flight"] == 1
    assert scraped["alertdrill_target_transactions_per_second"] == 12
    assert scraped["alertdrill_achieved_transactions_per_second"] == 9
    assert scraped["alertdrill_drill_running"] == 0


def test_the_buckets_at_the_objectives_separate_fast_from_slow_transactions(tally: Tally) -> None:
    scraped = _scraped(AgentState(tally))
    assert scraped["alertdrill_transaction_latency_seconds_bucket['2.0']"] == 5
    assert scraped["alertdrill_transaction_latency_seconds_bucket['5.0']"] == 7
    assert scraped["alertdrill_transaction_latency_seconds_count"] == 8
    assert scraped["alertdrill_transaction_latency_seconds_sum"] == pytest.approx(40.6915)
    assert scraped["alertdrill_transaction_duration_seconds_bucket['2.0']"] == 6
    assert scraped["alertdrill_send_lateness_seconds_bucket['0.00025']"] == 8
    assert scraped["alertdrill_send_lateness_seconds_bucket['0.5']"] == 8
    assert scraped["alertdrill_send_lateness_seconds_bucket['+Inf']"] == 9


def test_a_scrape_sees_what_was_added_since_the_last(tally: Tally) -> None:
    scraped = registry(lambda: AgentState(tally))
    before = generate_latest(scraped).decode()
    tally.add(SecondCounts(offset=1, due=4, ended=4, latencies=_samples(0.1, 0.1, 0.1, 0.1)))
    after = generate_latest(scraped).decode()
    assert 'alertdrill_transactions_total{outcome="succeeded"} 5.0' in before
    assert 'alertdrill_transactions_total{outcome="succeeded"} 9.0' in after
    assert "alertdrill_transaction_latency_seconds_count 12.0" in after


def test_every_series_begins_at_zero() -> None:
    """Otherwise `rate()` would miss the first count."""
    scraped = _scraped(AgentState(Tally(), checks=("status is 201",)))
    assert scraped["alertdrill_transactions_failed_total['reset']"] == 0
    assert scraped["alertdrill_checks_failed_total['status is 201']"] == 0
    assert scraped["alertdrill_transaction_latency_seconds_bucket['+Inf']"] == 0


def test_the_drill_its_phase_and_its_faults_are_metrics() -> None:
    scraped = _scraped(DRILL)
    assert scraped["alertdrill_drill_running"] == 1
    assert scraped["alertdrill_drill_phase['database-latency', 'fault']"] == 1
    assert scraped["alertdrill_drill_phase['baseline', 'database-latency']"] == 0
    assert scraped["alertdrill_fault_active['latency', 'proxy postgres (downstream)']"] == 1
    assert scraped["alertdrill_fault_active['latency', 'proxy redis (downstream)']"] == 0


@given(
    st.lists(st.integers(1, 100_000_000), max_size=60),
    st.lists(st.floats(0.0001, 120.0), min_size=1, max_size=20, unique=True),
)
def test_a_bucket_counts_all_below_its_bound_and_none_more_than_a_thousandth_above(
    microseconds: list[int], bounds: list[float]
) -> None:
    distribution = Distribution()
    for _ in distribution.folding(Samples(Counter(microseconds))):
        pass
    for bound, count in zip(sorted(bounds), distribution.counts_up_to(sorted(bounds)), strict=True):
        lowest = sum(one <= int(bound * 1e6) for one in microseconds)
        highest = sum(one <= bound * 1e6 * 1.001 + 1 for one in microseconds)
        assert lowest <= count <= highest


@pytest.mark.parametrize("situation", [AgentState(), DRILL], ids=["idle", "in a drill"])
async def test_promtool_accepts_the_metrics(tally: Tally, situation: AgentState) -> None:
    served = AgentState(tally, situation.checks, situation.drill, situation.phase, situation.faults)
    content_type, text = await _served(served, "text/plain")
    assert content_type.startswith("text/plain; version=0.0.4")
    assert _promtool(text) == (0, "")


async def test_open_metrics_are_served_on_request(tally: Tally) -> None:
    """As Prometheus does; the parser is strict about the format."""
    content_type, text = await _served(AgentState(tally), "application/openmetrics-text;version=1.0.0,text/plain;q=0.1")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    names = {family.name for family in open_metrics(text)}
    assert {"alertdrill_transactions", "alertdrill_transaction_latency_seconds", "alertdrill_build_info"} <= names


def _promtool(text: str) -> tuple[int, str]:
    promtool = shutil.which("promtool")
    assert promtool is not None, "promtool comes with `make setup`"
    ended = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout + ended.stderr


def test_promtool_objects_to_a_name_that_breaks_the_conventions() -> None:
    """So the test above can fail."""
    code, printed = _promtool("# HELP latencyMillis x\n# TYPE latencyMillis counter\nlatencyMillis 1\n")
    assert code != 0
    assert "_total" in printed


async def _served(situation: AgentState, accept: str) -> tuple[str, str]:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    async with (
        serving([metrics_route(registry(lambda: situation))], address),
        aiohttp.ClientSession() as session,
        session.get(f"http://{address}/metrics", headers={"Accept": accept}) as response,
    ):
        assert response.status == 200
        return response.headers["Content-Type"], await response.text()


async def test_a_taken_address_is_refused_with_the_setting_to_change() -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    async with serving([], address):
        with pytest.raises(ServiceUnavailable, match=f"cannot listen on {address}: .*; set another --listen"):
            async with serving([], address, "--listen"):
                pass
