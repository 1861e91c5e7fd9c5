from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import recording as recordings
from agent.errors import ConfigError
from agent.files import write_whole
from agent.recording import Recording


def test_what_is_saved_loads_again_and_nothing_lies_beside(tmp_path: Path, passed: Recording) -> None:
    path = tmp_path / "a" / "r.gz"
    recordings.save(passed, path)
    assert recordings.load(path) == passed
    assert [found.name for found in path.parent.iterdir()] == ["r.gz"]


def test_a_failed_write_leaves_the_old_file_and_nothing_beside(
    tmp_path: Path, passed: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.gz"
    recordings.save(passed, path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"half")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _newer(content: bytes) -> bytes:
    values = json.loads(gzip.decompress(content))
    return gzip.compress(json.dumps(values | {"version": 99}).encode())


def _edited(content: bytes) -> bytes:
    values = json.loads(gzip.decompress(content))
    return gzip.compress(json.dumps(values | {"started_at": "yesterday"}).encode())


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_cut, "is no whole recording"),
        (_newer, "has version 99, expected 2"),
        (_edited, "is no recording: started_at"),
        (lambda _: b"text", "is no recording"),
        (lambda _: gzip.compress(b"[]"), "has version None"),
    ],
)
def test_a_damaged_recording_is_one_clear_line(
    tmp_path: Path, passed: Recording, damage: Callable[[bytes], bytes], says: str
) -> None:
    path = tmp_path / "r.gz"
    recordings.save(passed, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ConfigError, match=says) as error:
        recordings.load(path)
    assert len(str(error.value).splitlines()) == 1
