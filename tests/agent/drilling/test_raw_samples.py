"""The raw samples behind rules, fetched from a real Prometheus that scrapes itself."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from alertdrill.agent.drilling.raw_samples import ReplaySpan, replay_record
from alertdrill.agent.monitoring.prometheus import Prometheus
from tests.support import monitoring_servers
from tests.support.answering import answering, patient_server
from tests.support.monitoring_servers import Configuration
from tests.support.waiting import until

RULES: list[dict[str, Any]] = [
    {"record": "job:up:sum", "expr": "sum by (job) (up)"},
    {"alert": "Up", "expr": "job:up:sum > 0", "labels": {"severity": "none"}, "for": "2s"},
    {"alert": "Scraped", "expr": "rate(prometheus_tsdb_compaction_chunk_size_bytes_bucket[4s]) > 0"},
    {"alert": "Gone", "expr": 'up{job="gone"} == 1'},
]
GONE = {"job_name": "gone", "static_configs": [{"targets": ["127.0.0.1:1"]}], "scrape_interval": "500ms"}


@pytest.mark.parametrize("generation", ["old", "new"])
async def test_the_samples_of_every_rule_in_the_files_of_the_alerts_are_recorded(
    generation: str, tmp_path: Path
) -> None:
    configuration = Configuration(
        rule_groups=[{"name": "g", "interval": "1s", "rules": RULES}],
        scrape_configs=[GONE | {"scrape_timeout": "200ms"}],
        prometheus_global={"external_labels": {"region": "north"}},
    )
    servers = monitoring_servers.find(generation)
    async with servers.started(tmp_path, configuration) as started, Prometheus(started.prometheus) as prometheus:
        await until(lambda: prometheus.holds("count_over_time(job:up:sum[1m]) > 2"), "the rules are evaluated")
        now = time.time()
        both = f"count(timestamp(up) > {now}) == 2"
        await until(lambda: prometheus.holds(both), "whatever was scraped before that instant is stored")
        span = ReplaySpan(now - 1, now, lookback_seconds=3)
        whole = await replay_record(prometheus, ["Up"], span)
        # The rules with fewer samples are recorded all the same.
        assert whole is not None
        most = sum(len(found) for labels, found in whole.samples() if labels["__name__"].startswith("prometheus")) - 1
        capped = await replay_record(prometheus, ["Up"], ReplaySpan(now - 1, now, 3, most_samples=most))
        assert await replay_record(prometheus, ["Nothing"], span) is None
        stored = await prometheus.raw_samples("up", now - 20, now)
    assert whole.since == pytest.approx(now - 1 - 3 - 3)
    samples = {tuple(labels.values()): found for labels, found in whole.samples() if labels["__name__"] == "up"}
    for series in stored:
        expected = [(round((at - whole.since) * 1000), value) for at, value in series.samples if at >= whole.since]
        assert samples[tuple(series.labels.values())] == expected
    names = {labels["__name__"] for labels, _ in whole.samples()}
    assert names == {"up", "job:up:sum", "prometheus_tsdb_compaction_chunk_size_bytes_bucket"}
    assert {target.job for target in whole.targets} == {"gone", "prometheus"}
    assert whole.external_labels == {"region": "north"}
    assert not whole.left_out
    (text,) = whole.files.values()
    assert "record: job:up:sum" in text
    assert "for: 2s" in text
    assert capped is not None
    (left,) = capped.left_out
    assert left.rule == "Scraped"
    assert f"at most {most:,} are recorded for a rule" in left.reason
    assert left.selectors[0].selector == "prometheus_tsdb_compaction_chunk_size_bytes_bucket"
    assert left.selectors[0].samples > most
    assert {labels["__name__"] for labels, _ in capped.samples()} == {"up", "job:up:sum"}


async def test_a_server_that_refuses_leaves_the_alerts_out_with_its_reason() -> None:
    async with answering(lambda _: web.Response(status=503)) as server:
        record = await replay_record(
            Prometheus(patient_server(server.url)), ["Up"], ReplaySpan(1_790_000_000, 1_790_000_060)
        )
    assert record is not None
    assert [one.rule for one in record.left_out] == ["Up"]
    assert "answered 503" in record.left_out[0].reason
