"""Which configuration a command reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from alertdrill.agent import on_lab
from alertdrill.agent.config.agent import read_agent_config

HERE = Path("configs/agent.yml")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_one_here() -> None:
    HERE.parent.mkdir()
    HERE.touch()


@pytest.mark.parametrize("lab", [True, False])
def test_a_given_file_is_read_even_if_it_is_missing(lab: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    assert on_lab.configuration(Path("missing.yml"), lab=lab) == Path("missing.yml")


@pytest.mark.parametrize("lab", [True, False])
def test_the_file_of_the_working_directory_comes_first(lab: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    write_one_here()
    assert on_lab.configuration(None, lab=lab) == HERE


def test_without_a_file_a_lab_uses_the_shipped_one_which_is_complete() -> None:
    shipped = on_lab.configuration(None, lab=True)
    assert read_agent_config(shipped).kpis.kpis
    for name in (
        "prometheus/prometheus.yml",
        "alertmanager/alertmanager.yml",
        "drills/database-latency.yml",
        "probes/payment.yml",
        "runbooks/HighResponseTime.md",
    ):
        assert (shipped.parent / name).is_file()


def test_without_a_lab_the_shipped_file_is_never_used() -> None:
    assert on_lab.configuration(None) == HERE


def test_a_lab_has_every_server_also_those_that_the_configuration_does_not_name(tmp_path: Path) -> None:
    HERE.parent.mkdir()
    HERE.write_text('probe: {kind: tcp, url: "tcp://engine:8080"}\nprometheus: {url: "http://prometheus:9090"}\n')
    names = ("prometheus:9090", "alertmanager:9093", "toxiproxy:8474", "alertdrill:9095", "engine:8080")
    addresses = {name: f"127.0.0.1:{3000 + number}" for number, name in enumerate(names)}
    config = on_lab.at_the_lab(read_agent_config(HERE), addresses, tmp_path / "ledger", 30)
    assert config.alertmanager is not None
    assert config.alertmanager.url == "http://127.0.0.1:3001"
    assert config.endpoints.toxiproxy_url == "http://127.0.0.1:3002"
