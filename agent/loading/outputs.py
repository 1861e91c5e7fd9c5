"""The files of `--out`: a line for each second of a load, written while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import takewhile
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import private
from alertdrill.agent.report.load.lines import FORMATS, Format
from alertdrill.probes.load.tally import LoadSecond, Tally

_LOOK_EVERY_SECONDS = 0.25


class RunningLoad(Protocol):
    """What is read from a load while it runs: its start in Unix seconds, and its tally."""

    started_at: float
    tally: Tally


class Outputs:
    """The files that follow a load."""

    def __init__(self, files: Sequence[SecondsFile]) -> None:
        self._files = files
        self._next_offset = 0
        self._reported: set[str] = set()

    @property
    def failed(self) -> bool:
        """Whether a file is incomplete."""
        return bool(self._problems())

    @asynccontextmanager
    async def following(self, load: RunningLoad, warn: Callable[[str], None]) -> AsyncIterator[None]:
        """Write each second of a load during the block, and the last ones at its end.

        `warn` is called once for each problem of a file.
        """
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch(load, warn))
            try:
                yield
            finally:
                watching.cancel()
                self._write_new(load)
                self._put(load, load.tally.parts)
                self.close()
                self._report_problems(warn)

    def close(self) -> None:
        """Wait until every line is written."""
        for file in self._files:
            file.close()

    async def _watch(self, load: RunningLoad, warn: Callable[[str], None]) -> None:
        while True:
            self._write_new(load)
            self._report_problems(warn)
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    def _write_new(self, load: RunningLoad) -> None:
        # From the end: a load of days has many seconds, and few of them are new.
        new = list(takewhile(lambda second: second.offset >= self._next_offset, reversed(load.tally.seconds)))
        if new:
            self._next_offset = new[0].offset + 1
            self._put(load, new[::-1])

    def _put(self, load: RunningLoad, seconds: Sequence[LoadSecond]) -> None:
        for second in seconds:
            for file in self._files:
                file.put(second, load.started_at)

    def _report_problems(self, warn: Callable[[str], None]) -> None:
        for problem in self._problems() - self._reported:
            warn(problem)
        self._reported |= self._problems()

    def _problems(self) -> set[str]:
        return {file.problem for file in self._files if file.problem}


@contextmanager
def opened(texts: Sequence[str], also: Sequence[str] = ()) -> Iterator[Outputs]:
    """Open files from texts such as `csv=load.csv`; raises ConfigError with every problem, and those in `also`.

    If there is any problem, no file is changed.
    """
    files: dict[str, SecondsFile] = {}
    problems = list(also)
    for text in dict.fromkeys(texts):
        try:
            files[text] = _open(text)
        except ConfigError as error:
            problems += error.problems
    outputs = Outputs(tuple(files.values()))
    try:
        if problems:
            raise ConfigError(*problems)
        for text, file in files.items():
            with _explained(text):
                file.begin()
        yield outputs
    finally:
        outputs.close()


def _open(text: str) -> SecondsFile:
    name, equals, path = text.partition("=")
    if not equals or not path:
        raise ConfigError(f"--out {text}: expected {_known()}")
    if name not in FORMATS:
        near = difflib.get_close_matches(name, FORMATS, n=1)
        hint = f"did you mean {near[0]}={path}?" if near else f"expected {_known()}"
        raise ConfigError(f"--out {text}: unknown format {name!r}, {hint}")
    with _explained(text):
        return SecondsFile(FORMATS[name], Path(path))


@contextmanager
def _explained(text: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        path = text.partition("=")[2]
        raise ConfigError(f"--out {text}: {path} cannot be written: {error.strerror or error}") from error


def _known() -> str:
    return " or ".join(f"{name}=FILE" for name in FORMATS)


_CLOSE_WITHIN_SECONDS = 5.0


class SecondsFile:
    """Writes lines in a thread of its own, so that a slow disk does not delay the load.

    Raises OSError if the file cannot be opened. An existing file is kept until `begin`. `problem` holds the first error
    after that; nothing is written after it.
    """

    def __init__(self, form: Format, path: Path) -> None:
        self.problem = ""
        self._form = form
        self._path = path
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without a buffer, a program that follows the file sees each line at once.
        self._file = open(path, "ab", buffering=0, opener=private)  # noqa: SIM115 - for the length of the load
        self._complete_bytes = 0
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """Empty the file and write the head; raises OSError."""
        if self._path.is_file():
            self._file.truncate(0)
        self._write(self._form.head)

    def put(self, second: LoadSecond, started_at: float) -> None:
        """Queue the line of a second, of a load that began at `started_at` (Unix seconds)."""
        self._lines.put(self._form.line(second, started_at))

    def close(self) -> None:
        """Wait until every line is written, or for five seconds if the reader of a pipe does not read."""
        self._lines.put(None)
        self._thread.join(_CLOSE_WITHIN_SECONDS)
        if self._thread.is_alive():
            self.problem = f"{self._path} accepts no more lines, the last ones are lost"

    def _take(self) -> None:
        while (line := self._lines.get()) is not None:
            if self.problem:
                continue
            try:
                self._write(line)
            except OSError as error:
                self.problem = f"{self._path} cannot be written completely: {error.strerror or error}"
                # Remove the half line; a pipe cannot be truncated.
                with contextlib.suppress(OSError):
                    self._file.truncate(self._complete_bytes)
        with contextlib.suppress(OSError):
            self._file.close()

    def _write(self, line: str) -> None:
        complete = left = line.encode()
        while left:
            left = left[self._file.write(left) :]
        self._complete_bytes += len(complete)
