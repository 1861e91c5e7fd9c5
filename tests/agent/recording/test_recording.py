from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from alertdrill.agent.cli import app
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import write_whole
from alertdrill.agent.recording.recording import Recording, read_recording, write_recording
from alertdrill.agent.report.drill import json as json_report
from alertdrill.agent.report.drill import junit, terminal
from alertdrill.agent.verdict.judge import judge


def test_a_written_recording_can_be_read_and_leaves_no_other_file(tmp_path: Path, passed: Recording) -> None:
    path = tmp_path / "a" / "r.gz"
    write_recording(passed, path)
    assert read_recording(path) == passed
    assert [found.name for found in path.parent.iterdir()] == ["r.gz"]


def test_a_failed_write_leaves_the_old_file_and_nothing_beside(
    tmp_path: Path, passed: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.gz"
    write_recording(passed, path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"half")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def _edit(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    """Change the content of a recording, and compress it again."""

    def damage(content: bytes) -> bytes:
        values = json.loads(gzip.decompress(content))
        change(values)
        return gzip.compress(json.dumps(values).encode())

    return damage


def _put(*path: str | int, value: object) -> Callable[[bytes], bytes]:
    def change(values: dict[str, Any]) -> None:
        node: Any = values
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = value

    return _edit(change)


def _with_spoilt_middle(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(byte ^ 0xFF for byte in content[middle : middle + 8]) + content[middle + 8 :]


def spaces(_: bytes) -> bytes:
    return gzip.compress(b'{"version":' + b" " * 2**27 + b"2}")


def lists(_: bytes) -> bytes:
    return gzip.compress(b"[" + b"[]," * 4_500_000 + b"[]]")


DAMAGED = [
    ("cut in half", lambda content: content[: len(content) // 2], "is not a complete recording: Compressed file ended"),
    ("cut by a byte", lambda content: content[:-1], "is not a complete recording: Compressed file ended"),
    ("empty", lambda _: b"", "is not a complete recording: Expecting value"),
    ("an empty archive", lambda _: gzip.compress(b""), "is not a complete recording: Expecting value"),
    ("spoilt inside", _with_spoilt_middle, "is not a (complete )?recording"),
    ("a spoilt checksum", lambda content: content[:-8] + b"\0" * 8, "or is damaged: CRC check failed"),
    ("plain text", lambda _: b"text", "is not a recording, or is damaged: Not a gzipped file"),
    ("not compressed", gzip.decompress, "is not a recording, or is damaged: Not a gzipped file"),
    (
        "cut before compression",
        lambda c: gzip.compress(gzip.decompress(c).partition(b'"phases"')[0] + b'"pha'),
        "is not a complete recording: Unterminated",
    ),
    ("no text", lambda _: gzip.compress(b"\xff\xfe\xff"), "is not a complete recording"),
    ("JSON without end", lambda _: gzip.compress(b"[" * 200_000), "is not a complete recording: is nested too deep"),
    ("spaces without end", spaces, "is not a complete recording: holds more than 128 MiB"),
    ("lists without end", lists, "is not a complete recording: holds more than 8,000,000 values"),
    ("an endless number", lambda _: gzip.compress(b"9" * 9000), "is not a complete recording: Exceeds the limit"),
    ("a list", lambda _: gzip.compress(b"[]"), "has no version, expected 2"),
    (
        "another JSON",
        lambda _: gzip.compress(b'{"version": 2, "verdicts": []}'),
        "is not a recording: alertdrill: Field req",
    ),
    ("newer", _put("version", value=99), "has version 99, expected 2 or 3: use the alertdrill that wrote it"),
    ("a word as version", _put("version", value="\n2"), r'has version "\\n2", expected 2'),
    (
        "a word as instant",
        _put("started_at", value="yesterday"),
        "is not a recording: started_at: Input should be a valid num",
    ),
    ("no instant at all", _put("started_at", value=float("nan")), "started_at: Input should be "),
    ("the end of time", _put("ended_at", value=1e300), "ended_at: Input should be less than or equal"),
    ("turned round", _put("ended_at", value=1_700_000_000), "ended_at is before started_at"),
    ("a huge cluster", _put("alertmanager", "peers", value=10**400), "alertmanager.peers: Input should be less than"),
    ("a huge grid", _put("watched", 0, "count", value=10**15), "watched.0.count: Input should be less than"),
    (
        "a grid beyond the drill",
        _put("watched", 0, "count", value=10**6),
        "evaluations of OrdersSlow do not lie within",
    ),
    (
        "no interval",
        _put("rules", 0, "interval_seconds", value=0),
        "is not a recording: the rule OrdersSlow has an interval of 0 s",
    ),
    ("a scrape less", _put("targets", 0, "up", value=[1]), "targets.0: 140 instants, 1 up and 140 durations"),
    ("an alert without name", _put("alerts", 0, "labels", value={}), "alerts.0: labels without alertname"),
    ("activeAt of some", _put("alerts", 0, "since", value=[5]), "alerts.0: 10 instants and 1 since"),
    ("a key too many", _put("extra\n\x1b[31m", value=1), r"is not a recording: extra \[31m: Extra inputs"),
    ("half a character", _put("aborted", value="\ud800"), "is not a complete recording: .*surrogates not allowed"),
    (
        "a load less",
        _put("drill", "load", value={}),
        "is not a recording: drill.load.rate: Field required",
    ),
]


@pytest.mark.parametrize(("damage", "says"), [row[1:] for row in DAMAGED], ids=[row[0] for row in DAMAGED])
def test_a_damaged_recording_is_reported_in_one_line(
    tmp_path: Path, passed: Recording, damage: Callable[[bytes], bytes], says: str
) -> None:
    path = tmp_path / "r.gz"
    write_recording(passed, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ConfigError, match=says) as error:
        read_recording(path)
    assert str(error.value).startswith(f"{path}: ")
    assert str(error.value).isprintable()
    judged = CliRunner().invoke(app, ["judge", str(path)])
    assert (judged.exit_code, judged.stdout, judged.stderr) == (2, "", f"alertdrill: {error.value}\n")


@pytest.mark.parametrize(("name", "says"), [("nothing.gz", "No such file"), (".", "Is a directory")])
def test_an_unreadable_file_is_reported_with_the_reason(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(ConfigError, match=f"cannot be read: {says}"):
        read_recording(tmp_path / name)


VALUES: tuple[object, ...] = (
    None, 0, -1, 1e308, 10**30, float("inf"), float("nan"), "", [], {}, "x", True, 0.5, "NaN", 1e-9, 2**63,
    [None], ["a"], {"a": "b"}, "\n\x1b[31m", "{{x",
)  # fmt: skip


def _places(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """List the places of all values in a recording; of a list, the first and the last item."""
    if path:
        yield path
    names: Any = ()
    if isinstance(node, dict):
        names = node
    elif isinstance(node, list) and node:
        names = sorted({0, len(node) - 1})
    for name in names:
        yield from _places(node[name], (*path, name))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_edited_recording_is_refused_or_judged(
    tmp_path: Path, request: pytest.FixtureRequest, data: st.DataObject
) -> None:
    """One value is replaced by another: either a one-line error, or verdicts and reports, but never an exception."""
    path, passed = tmp_path / "r.gz", request.getfixturevalue("passed")
    places = list(_places(passed.model_dump(mode="json", by_alias=True)))
    place, value = data.draw(st.sampled_from(places)), data.draw(st.sampled_from(VALUES))
    write_recording(passed, path)
    path.write_bytes(_put(*place, value=value)(path.read_bytes()))
    try:
        recording = read_recording(path)
    except ConfigError:
        return
    judgement = judge(recording)
    json.loads(json_report.render(recording, judgement))
    junit.render(recording, judgement)
    Console(file=StringIO()).print(terminal.render(recording, judgement))
