"""How prometheus.yml is changed for a lab without some parts, or with several engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from alertdrill.lab.monitoring_files import authorized, retargeted
from alertdrill.lab.parts import LabParts, absent_targets

SEED_JOBS = ["payment-engine", "postgres", "redis", "kafka"]


def _config(*jobs: dict[str, Any]) -> dict[str, Any]:
    return {"scrape_configs": list(jobs)}


@pytest.mark.parametrize(
    ("parts", "jobs"),
    [
        (LabParts(), ["payment-engine", "postgres", "redis"]),
        (LabParts(kafka=True), [*SEED_JOBS, "settlement"]),
        (LabParts(replicas=2), ["payment-engine", "postgres", "redis", "load-balancer"]),
        (LabParts(kafka=True, replicas=2), [*SEED_JOBS, "settlement", "load-balancer"]),
    ],
)
def test_the_jobs_of_absent_parts_are_left_out(parts: LabParts, jobs: list[str]) -> None:
    shipped = yaml.safe_load((Path(__file__).parents[2] / "configs/prometheus/prometheus.yml").read_text())
    config = retargeted(shipped, {target: [] for target in absent_targets(parts)})
    assert [job["job_name"] for job in config["scrape_configs"]] == [*jobs, "alertdrill"]


def test_the_four_jobs_of_the_strategy_are_shipped_unchanged() -> None:
    root = Path(__file__).parents[2]
    shipped = yaml.safe_load((root / "configs/prometheus/prometheus.yml").read_text())["scrape_configs"]
    assert shipped[:4] == [
        {
            "job_name": "payment-engine",
            "static_configs": [{"targets": ["payment-engine:8080"]}],
            "metrics_path": "/actuator/prometheus",
            "scrape_interval": "5s",
        },
        {"job_name": "postgres", "static_configs": [{"targets": ["postgres-exporter:9187"]}]},
        {"job_name": "redis", "static_configs": [{"targets": ["redis-exporter:9121"]}]},
        {"job_name": "kafka", "static_configs": [{"targets": ["kafka-exporter:9308"]}]},
    ]


def test_a_target_with_several_instances_is_replaced_and_keeps_its_labels() -> None:
    job = {"job_name": "a", "static_configs": [{"targets": ["a:1", "b:2"], "labels": {"team": "x"}}]}
    after = retargeted(_config(job), {"a:1": ["127.0.0.1:7", "127.0.0.1:8"]})
    assert after["scrape_configs"][0]["static_configs"] == [
        {"targets": ["127.0.0.1:7", "127.0.0.1:8", "b:2"], "labels": {"team": "x"}}
    ]


def test_a_job_with_a_remaining_target_stays() -> None:
    job = {"job_name": "a", "static_configs": [{"targets": ["a:1"]}, {"targets": ["b:2"]}]}
    after = retargeted(_config(job), {"a:1": []})
    assert after["scrape_configs"] == [{"job_name": "a", "static_configs": [{"targets": ["b:2"]}]}]


def test_a_job_with_another_kind_of_discovery_is_unchanged() -> None:
    job = {"job_name": "files", "file_sd_configs": [{"files": ["a.yml"]}]}
    assert retargeted(_config(job), {"a:1": []}) == _config(job)


def test_the_webhooks_of_the_agent_send_the_lab_s_token_and_others_are_unchanged() -> None:
    own, other = {"url": "http://127.0.0.1:7/api/v1/webhook/a"}, {"url": "http://127.0.0.1:8/x"}
    mail = {"name": "b", "email_configs": [{"to": "c@example.com"}]}
    config = {"receivers": [{"name": "a", "webhook_configs": [own | {"http_config": {}}, other]}, mail]}
    after = authorized(config, "127.0.0.1:7", Path("/lab/token"))
    sends = {"http_config": {"authorization": {"credentials_file": "/lab/token"}}}
    assert after == {"receivers": [{"name": "a", "webhook_configs": [own | sends, other]}, mail]}
