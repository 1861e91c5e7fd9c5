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
