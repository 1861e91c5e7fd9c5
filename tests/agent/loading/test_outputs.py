"""The files of `--out`: problems with them are reported, and never delay the load."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.loading import outputs as load_outputs
from alertdrill.probes.load.tally import LoadSecond, Tally
from tests.support.full_disk import files_of_at_most


@dataclass
class Load:
    started_at: float = 1_790_000_000.0
    tally: Tally = field(default_factory=Tally)

    def go_on(self) -> None:
        offset = self.tally.seconds[-1].offset + 1 if self.tally.seconds else 0
        self.tally.seconds.append(LoadSecond(offset, 10.0, 10, 10, 0, 0, 0, 0, 0.001, 0.002, 0.003, 0.0001))


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - a thread writes, and sets no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_other_users_cannot_read_the_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / "seconds"
    with load_outputs.opened([f"{name}={path}"]):
        assert path.stat().st_mode & 0o777 == 0o600


async def test_each_second_is_there_as_soon_as_it_is_over(tmp_path: Path) -> None:
    """At the end the last ones follow, with the part of a second."""
    load, path = Load(), tmp_path / "new" / "seconds.csv"
    with load_outputs.opened([f"csv={path}"]) as outputs:
        assert len(_lines(path)) == 1
        async with outputs.following(load, pytest.fail):
            for number in (1, 2, 3):
                load.go_on()
                await _until(lambda: len(_lines(path)) == 1 + number)  # noqa: B023 - called here alone
                assert _lines(path)[-1].split(",")[1] == str(number - 1)
            load.go_on()
            load.tally.parts.append(LoadSecond(4, 10.0, 3, 3, 0, 0, 0, 0, None, None, None, None))
        assert [line.split(",")[1] for line in _lines(path)[1:]] == ["0", "1", "2", "3", "4"]
        assert not outputs.failed


async def test_a_broken_pipe_is_reported_once_and_the_other_file_is_complete(tmp_path: Path) -> None:
    load, path, pipe, said = Load(), tmp_path / "seconds.jsonl", tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with load_outputs.opened([f"csv={pipe}", f"jsonl={path}"]) as outputs:
        os.close(reader)
        async with outputs.following(load, said.append):
            load.go_on()
            await _until(lambda: bool(said))
            load.go_on()
        assert said == [f"{pipe} cannot be written completely: Broken pipe"]
        assert outputs.failed
    assert len(_lines(path)) == 2


async def test_seconds_that_the_tally_forgets_are_in_the_file(tmp_path: Path) -> None:
    load, path = Load(), tmp_path / "seconds.csv"
    with load_outputs.opened([f"csv={path}"]) as outputs:
        async with outputs.following(load, pytest.fail):
            for number in range(1, 6):
                load.go_on()
                await _until(lambda: len(_lines(path)) == 1 + number)  # noqa: B023 - called here alone
                del load.tally.seconds[:-2]
    assert [line.split(",")[1] for line in _lines(path)[1:]] == ["0", "1", "2", "3", "4"]


async def test_no_half_line_is_left(tmp_path: Path) -> None:
    """The part of a line that fitted on the disk is removed."""
    load, path, said = Load(), tmp_path / "seconds.csv", list[str]()
    with files_of_at_most(1010), load_outputs.opened([f"csv={path}"]) as outputs:
        async with outputs.following(load, said.append):
            for _ in range(30):
                load.go_on()
    assert said == [f"{path} cannot be written completely: File too large"]
    text = path.read_text()
    assert 900 < len(text) < 1010
    assert text.endswith(",0.0001,0\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("cvs=x.csv", "--out cvs=x.csv: unknown format 'cvs', did you mean csv=x.csv?"),
        ("parquet=x", "--out parquet=x: unknown format 'parquet', expected csv=FILE or jsonl=FILE"),
        ("x.csv", "--out x.csv: expected csv=FILE or jsonl=FILE"),
        ("csv=", "--out csv=: expected csv=FILE or jsonl=FILE"),
        ("csv=/dev/full", "--out csv=/dev/full: /dev/full cannot be written: No space left on device"),
        ("csv=/proc", "--out csv=/proc: /proc cannot be written: Is a directory"),
    ],
)
def test_a_file_that_cannot_be_written_is_reported_before_the_load(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised, load_outputs.opened(["jsonl=/dev/null", text]):
        pass
    assert raised.value.problems == (problem,)


def test_a_file_of_an_earlier_load_is_emptied_only_when_the_new_load_begins(tmp_path: Path) -> None:
    path = tmp_path / "seconds.csv"
    path.write_text("old\n" * 1000)
    for texts, also in (([f"csv={path}", "csv=/proc"], []), ([f"csv={path}"], ["--html: x.html cannot be written"])):
        with pytest.raises(ConfigError), load_outputs.opened(texts, also):
            pass
        assert path.read_text() == "old\n" * 1000
    with load_outputs.opened([f"csv={path}"]):
        assert [line.split(",")[0] for line in _lines(path)] == ["at_unix_seconds"]


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as raised, load_outputs.opened(["a", "b=c"]):
        pass
    assert len(raised.value.problems) == 2
