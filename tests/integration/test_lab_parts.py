"""A file that needs parts of the lab gets them, and says in one line what it cannot have."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from alertdrill.lab.errors import LabError
from alertdrill.lab.kafka.broker import find_jars
from tests.integration.conftest import ROOT

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def _file(folder: Path, **lab: object) -> Path:
    # Without its thresholds, which a busy machine crosses.
    values = yaml.safe_load((ROOT / "configs/probes/payment.yml").read_text())
    path = folder / "payment.yml"
    path.write_text(yaml.safe_dump({"probe": values["probe"], "lab": lab}, sort_keys=False))
    return path


@pytest.mark.usefixtures("few_connections")
def test_a_probe_file_that_needs_kafka_gets_it(alertdrill: Run, tmp_path: Path) -> None:
    try:
        find_jars()
    except LabError as error:
        pytest.skip(str(error))
    arguments = ["--lab", "--rate", "20", "--duration", "2s", "--no-color"]
    ended = alertdrill("probe", _file(tmp_path, kafka=True), *arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "lab: 11 servers are ready" in ended.stdout
    assert "audit: 40 acknowledged" in ended.stdout


def test_more_engines_than_there_may_be_are_refused_with_file_and_line(alertdrill: Run, tmp_path: Path) -> None:
    ended = alertdrill("probe", _file(tmp_path, replicas=9), "--lab")
    assert ended.returncode == 2
    assert "lab.replicas: " in ended.stderr
    assert "payment.yml:" in ended.stderr
