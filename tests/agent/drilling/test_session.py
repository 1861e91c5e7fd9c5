from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from alertdrill.agent.drilling.session import write_reports
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.recording.recording import Recording, read_recording, write_recording
from alertdrill.agent.recording.replay import LeftOutRecord, ReplayRecord, SelectorRecord
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


def test_a_rule_that_cannot_be_replayed_is_told_with_its_widest_selectors(tmp_path: Path, passed: Recording) -> None:
    path, printed = tmp_path / "orders.recording.json.gz", io.StringIO()
    wide = SelectorRecord(selector='queue{shop="a"}', series=9000, samples=900_000)
    left = LeftOutRecord(rule="Queue", reason="too many samples", selectors=[wide])
    replay = ReplayRecord(since=passed.started_at, files={}, instants=[], series=[], left_out=[left])
    recording = passed.model_copy(update={"replay": replay})
    write_reports(recording, judge(recording), path, Console(file=printed, width=200))
    says = 'alertdrill: Queue cannot be replayed: too many samples (queue{shop="a"}: 900,000 samples in 9,000 series)'
    assert printed.getvalue().splitlines()[:2] == [says, f"recording {path}"]
