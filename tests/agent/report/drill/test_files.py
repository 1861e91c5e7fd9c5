"""Every report of the table is written beside the recording."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from alertdrill.agent.recording.recording import SUFFIX, Recording, write_recording
from alertdrill.agent.report.drill.files import REPORTS, write
from alertdrill.agent.verdict.judge import judge

WITHOUT_A_LIBRARY = """
import sys
from pathlib import Path
sys.modules[sys.argv[2]] = None
from alertdrill.agent.recording.recording import read_recording
from alertdrill.agent.report.drill.files import write
from alertdrill.agent.verdict.judge import judge
path = Path(sys.argv[1])
recording = read_recording(path)
write(recording, judge(recording), path)
"""


def test_each_report_has_its_suffix_and_the_last_path_is_returned(tmp_path: Path, passed: Recording) -> None:
    page = write(passed, judge(passed), tmp_path / f"slow{SUFFIX}")
    assert page == tmp_path / "slow.html"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"slow{report.suffix}" for report in REPORTS)
    assert all(path.stat().st_size for path in tmp_path.iterdir())


@pytest.mark.parametrize("library", ["jinja2", "junitparser"])
def test_an_installation_without_the_extra_writes_the_other_reports(
    tmp_path: Path, passed: Recording, library: str
) -> None:
    """A sidecar has no libraries for pages and JUnit."""
    path = tmp_path / f"slow{SUFFIX}"
    write_recording(passed, path)
    subprocess.run([sys.executable, "-c", WITHOUT_A_LIBRARY, path, library], check=True, timeout=300)
    path.unlink()
    light = sorted(f"slow{report.suffix}" for report in REPORTS if not report.libraries)
    assert sorted(one.name for one in tmp_path.iterdir()) == light
