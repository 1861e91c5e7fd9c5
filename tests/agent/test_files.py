"""Space that is reserved on a disk is there when a file is written, also when the disk is full by then."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import reserved
from alertdrill.agent.recording.recording import Recording, read_recording, write_into
from alertdrill.agent.verdict.judge import judge
from tests.support.full_disk import disk_of, files_of_at_most, fill

MIB = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    with disk_of(tmp_path / "disk", 8) as disk:
        yield disk


def test_the_space_holds_a_file_on_a_disk_that_is_full_by_then(small_disk: Path) -> None:
    with reserved(small_disk / "recordings", 4 * MIB) as space:
        fill(small_disk)
        with pytest.raises(OSError, match="No space left"):
            (small_disk / "recordings" / "another").write_bytes(b"x" * 4096)
        space.write(small_disk / "recordings" / "whole", b"y" * 4 * MIB)
    assert (small_disk / "recordings" / "whole").read_bytes() == b"y" * 4 * MIB
    assert sorted(one.name for one in (small_disk / "recordings").iterdir()) == ["another", "whole"]


def test_a_file_that_is_written_gives_back_what_it_does_not_need(small_disk: Path) -> None:
    with reserved(small_disk, 6 * MIB) as space:
        space.write(small_disk / "small", b"y" * 1000)
        (small_disk / "report").write_bytes(b"x" * 5 * MIB)
    assert (small_disk / "small").read_bytes() == b"y" * 1000


def test_a_disk_without_the_space_is_refused_before_anything_else(small_disk: Path) -> None:
    says = r"cannot be written to .*: No space left on device \(16 MiB are needed\)"
    with pytest.raises(ConfigError, match=says), reserved(small_disk, 16 * MIB):
        pass
    assert list(small_disk.iterdir()) == []


@files_of_at_most(MIB)
def test_a_limit_of_the_size_of_files_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="File too large"), reserved(tmp_path, 2 * MIB):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_space_is_given_back_if_nothing_is_written(tmp_path: Path) -> None:
    with reserved(tmp_path / "a", MIB):
        (held,) = (tmp_path / "a").iterdir()
        assert held.stat().st_blocks * 512 >= MIB
    assert list((tmp_path / "a").iterdir()) == []


def test_the_space_of_a_killed_process_is_given_back_by_the_next_and_that_of_a_living_one_is_not(
    tmp_path: Path,
) -> None:
    code = (
        "import sys, os, signal; from pathlib import Path; from alertdrill.agent.files import reserved\n"
        f"with reserved(Path({str(tmp_path)!r}), {MIB}): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    (left,) = tmp_path.iterdir()
    with reserved(tmp_path, MIB):
        assert not left.exists()
        (mine,) = tmp_path.iterdir()
        with reserved(tmp_path, MIB):
            assert mine.exists()


def test_a_recording_that_outgrows_its_space_on_a_full_disk_is_written_without_its_evidence(
    small_disk: Path, passed: Recording
) -> None:
    """It says so, and is inconclusive."""
    part = passed.watched[0].parts[0]
    large = passed.watched[0].model_copy(
        update={"parts": [part.model_copy(update={"expr": os.urandom(3 * MIB).hex()})]}
    )
    path = small_disk / "a.recording.json.gz"
    with reserved(small_disk, 2 * MIB) as space:
        fill(small_disk)
        written = write_into(space, passed.model_copy(update={"watched": [large]}), path)
    assert read_recording(path) == written
    assert written.aborted == (
        "the recording was too large (No space left on device), so it is without what each rule saw"
    )
    assert judge(written).exit_code == 3


def test_halves_of_characters_do_not_prevent_a_recording(tmp_path: Path, passed: Recording) -> None:
    """Prometheus' JSON may hold them."""
    rule = passed.rules[0].model_copy(update={"annotations": {"odd\udcff": "x\ud800y"}})
    path = tmp_path / "a.recording.json.gz"
    with reserved(tmp_path, MIB) as space:
        written = write_into(space, passed.model_copy(update={"rules": [rule, *passed.rules[1:]]}), path)
    assert read_recording(path) == written
    assert written.rules[0].annotations == {"odd?": "x?y"}
    assert judge(written) == judge(passed)
