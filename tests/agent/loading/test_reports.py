"""A report that cannot be written is reported, before the load if possible, and does not stop the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from alertdrill.agent.loading import reports as load_reports
from alertdrill.agent.report.load.story import LoadStory
from alertdrill.probes.figures.summary import LoadSummary
from alertdrill.probes.load.tally import Tally
from tests.support.full_disk import files_of_at_most

STORY = LoadStory("shop", 1_790_000_000.0, LoadSummary({}, (), 10.0, 10.0, 5.0), Tally())


@files_of_at_most(1024)
def test_a_page_that_does_not_fit_leaves_nothing_and_the_export_is_there(tmp_path: Path) -> None:
    said: list[str] = []
    reports, problems = load_reports.renderers(tmp_path / "s.json", tmp_path / "s.html")
    assert not problems
    assert not load_reports.write_all(reports, STORY, said.append)
    assert said == [f"{tmp_path}/s.html cannot be written: File too large"]
    assert [file.name for file in tmp_path.iterdir()] == ["s.json"]


def test_a_device_or_pipe_is_written_and_not_replaced(tmp_path: Path) -> None:
    """`--summary-export /dev/stdout` ends in standard output, wherever that goes."""
    file, link = tmp_path / "kept", tmp_path / "link"
    file.touch()
    link.symlink_to(file)
    reports, _ = load_reports.renderers(link, None)
    assert load_reports.write_all(reports, STORY, pytest.fail)
    assert link.is_symlink()
    assert '"achieved_rate": 10.0' in file.read_text()


def test_writing_a_report_leaves_other_files_alone(tmp_path: Path) -> None:
    (tmp_path / "s.json.part").write_text("old")
    reports, _ = load_reports.renderers(tmp_path / "s.json", None)
    assert load_reports.write_all(reports, STORY, pytest.fail)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["s.json", "s.json.part"]
    assert (tmp_path / "s.json.part").read_text() == "old"


def test_checking_that_a_report_can_be_written_keeps_the_old_one(tmp_path: Path) -> None:
    """It also keeps a file of the user with the same name and `.part`."""
    for name in ("s.json", "s.json.part"):
        (tmp_path / name).write_text("old")
    _, problems = load_reports.renderers(tmp_path / "s.json", tmp_path)
    assert problems == [f"--html: {tmp_path} cannot be written: Is a directory"]
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"s.json": "old", "s.json.part": "old"}
