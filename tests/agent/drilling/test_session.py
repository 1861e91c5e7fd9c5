from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from alertdrill.agent.drilling.session import write_reports
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.recording.recording import Recording, read_recording, write_recording
from alertdrill.agent.verdict.judge import judge
from tests.support.full_disk import files_of_at_most


@files_of_at_most(20_000)
def test_the_file_that_did_not_fit_is_named_and_the_others_are_kept(tmp_path: Path, passed: Recording) -> None:
    """The page with its plots is larger than the limit, all else is smaller."""
    path, printed = tmp_path / "orders.recording.json.gz", io.StringIO()
    write_recording(passed, path)
    with pytest.raises(ConfigError, match=r"orders\.html cannot be written: File too large"):
        write_reports(passed, judge(passed), path, Console(file=printed, width=200))
    assert read_recording(path) == passed
    assert f"recording {path}" in printed.getvalue()
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "orders.json",
        "orders.junit.xml",
        "orders.recording.json.gz",
    ]
