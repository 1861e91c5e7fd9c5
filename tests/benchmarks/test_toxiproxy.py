"""The embedded and the real Toxiproxy are measured over real connections."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.results import Circumstances
from benchmarks.servers import ROOT
from benchmarks.toxiproxy_page import ProxyFigures, page

WAYS = ["direct", "real", "real with toxics", "embedded", "embedded with toxics"]


def test_every_way_is_measured_and_shown(tmp_path: Path) -> None:
    small = ["--rounds", "1", "--megabytes", "10", "--messages", "200", "--output", str(tmp_path)]
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.toxiproxy", *small],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    rows = [line.strip("| ").split(" | ") for line in (tmp_path / "TOXIPROXY.md").read_text().splitlines()[-5:]]
    assert [row[0].strip() for row in rows] == WAYS
    assert all(int(re.findall(r"\d+", row[1])[0]) > 0 for row in rows)


def _figures(scale: float) -> ProxyFigures:
    return ProxyFigures(
        rate=1e9 / scale,
        many_rate=5e8 / scale,
        cpu_per_byte=0 if scale == 1 else 1e-9 * scale,
        p50=20e-6 * scale,
        p99=40e-6 * scale,
        many_p50=1e-3 * scale,
        many_p99=2e-3 * scale,
        many_messages_per_second=30_000 / scale,
        cpu_per_message=0 if scale == 1 else 10e-6 * scale,
        api_p50=2e-3 * scale,
        api_p95=3e-3 * scale,
    )


@pytest.mark.parametrize(("load", "is_shared"), [(0.3, False), (7.0, True)])
def test_the_page_has_medians_and_added_times_and_notes_a_shared_machine(
    load: float,
    is_shared: bool,  # noqa: FBT001 - a case
) -> None:
    measured = {"direct": [_figures(1)], "real": [_figures(2)], "embedded": [_figures(2), _figures(4), _figures(3)]}
    text = page(Circumstances("today", "a CPU", 2, 4.0, "Linux", load), 3, measured)
    assert "| direct | 1000 (1000) | 500 (500) |  | 20 / 40 |  | 1000 / 2000 | 30000 |  |  |" in text
    assert "| embedded | 333 (500) | 167 (250) | 3.00 | 60 / 120 | 40 | 3000 / 6000 | 10000 | 30 | 6.0 / 9.0 |" in text
    assert "The embedded server's p95 is 1.5 times that of the real one." in text
    assert ("The machine was shared" in text) is is_shared
