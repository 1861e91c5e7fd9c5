"""The fixture `drill` of the plugin of pytest, on real servers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import LONGEST_SECONDS, ROOT, KeptLab, ended_by_no_alert
from tests.integration.drilling import until_quiet, wait_for

pytestmark = pytest.mark.usefixtures("quiet")
OWN = """
import json
from pathlib import Path

def test_own(drill):
    found = drill({drill!r}, "--config", {config!r})
    Path({found!r}).write_text(json.dumps(found))
"""


def _pytest(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    plugin = ["-p", "no:alertdrill", "-p", "alertdrill.agent.regression.pytest_plugin", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *plugin, f"--rootdir={folder}", str(folder), *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _own(lab: KeptLab, drill: Path, found: Path) -> None:
    own = OWN.format(drill=str(drill), config=str(lab.config), found=str(found))
    (found.parent / "test_own.py").write_text(own)


def test_a_drill_is_a_test_with_the_option_and_skipped_without(
    lab: KeptLab, drill_file: Callable[..., Path], tmp_path: Path
) -> None:
    found = tmp_path / "found.json"
    drill = drill_file(**ended_by_no_alert("1m"), faults=[])
    _own(lab, drill, found)
    said, _ = _pytest(tmp_path).communicate(timeout=LONGEST_SECONDS)
    assert "1 skipped" in said
    assert not found.exists()
    said, _ = _pytest(tmp_path, "--alertdrill-live").communicate(timeout=LONGEST_SECONDS)
    assert "1 passed" in said, said
    report = json.loads(found.read_text())
    # Nothing was broken, so the alert is missed; what a busy machine spoils is inconclusive.
    assert (report["drill"], report["faults"]) == ("database-latency", [])
    assert report["outcome"] in {"failed", "inconclusive"}
    assert [one["alert"] for one in report["verdicts"]] == ["DatabaseConnectionsExhausted"]


def test_an_interrupt_ends_pytest_when_the_drill_has_undone_its_fault(
    lab: KeptLab, drill_file: Callable[..., Path], tmp_path: Path
) -> None:
    found = tmp_path / "found.json"
    _own(lab, drill_file(**ended_by_no_alert()), found)
    process = _pytest(tmp_path, "--alertdrill-live", "--capture=no")
    wait_for(process, "fault injected")
    assert lab.toxic_names()
    # Only pytest is told, and not its group as by a terminal.
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=LONGEST_SECONDS)
    assert lab.toxic_names() == []
    assert "interrupted; every fault was undone" in said
    assert not found.exists()
    until_quiet(lab)
