"""What recordings prove, kept in the history: always the same as reading all of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.gate.kept import proofs_by_history
from alertdrill.agent.gate.proofs import AlertProof, proofs_in
from alertdrill.agent.history.database import opened
from alertdrill.agent.recording.recording import Recording, write_recording
from tests.agent.gate.test_proofs import recorded

SETTINGS = HistorySettings()


def both(folder: Path) -> list[AlertProof]:
    """Return the proofs of a folder, which are the same with and without the history, as are the problems."""
    told: dict[str, list[str]] = {"with": [], "without": []}
    found = proofs_by_history(SETTINGS, folder, told["with"].append)
    assert found == proofs_in(folder, told["without"].append)
    assert told["with"] == told["without"]
    return found


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    folder = tmp_path / "kept"
    folder.mkdir()
    with opened(SETTINGS, folder):
        pass
    return folder


def test_proofs_are_the_same_after_each_change_of_the_recordings(passed: Recording, kept: Path, tmp_path: Path) -> None:
    first = recorded(passed, tmp_path)
    later = first.model_copy(update={"started_at": first.started_at + 30})
    assert both(kept) == []
    write_recording(first, kept / "a.recording.json.gz")
    (kept / "b.recording.json.gz").write_bytes(b"no recording")
    before = both(kept)
    assert [one.alert for one in before] == ["Queue", "Silent", "Unread"]
    write_recording(later, kept / "deeper" / "c.recording.json.gz")
    assert both(kept)[1].read_at != before[1].read_at
    (kept / "deeper" / "c.recording.json.gz").unlink()
    (kept / "b.recording.json.gz").unlink()
    assert both(kept) == before
    write_recording(later, kept / "a.recording.json.gz")
    assert both(kept)[1].read_at != before[1].read_at


def test_a_recording_that_did_not_change_is_not_read_again(passed: Recording, kept: Path, tmp_path: Path) -> None:
    path = kept / "a.recording.json.gz"
    write_recording(recorded(passed, tmp_path), path)
    found, status = both(kept), path.stat()
    path.write_bytes(b"x" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert proofs_by_history(SETTINGS, kept, pytest.fail) == found


def test_a_history_that_cannot_be_opened_is_told_and_all_recordings_are_read(passed: Recording, tmp_path: Path) -> None:
    write_recording(recorded(passed, tmp_path), tmp_path / "a.recording.json.gz")
    (tmp_path / "history.db").mkdir()
    told: list[str] = []
    assert proofs_by_history(SETTINGS, tmp_path, told.append) == proofs_in(tmp_path, pytest.fail)
    assert "the history cannot be used now, so all recordings are read: " in told[0]
