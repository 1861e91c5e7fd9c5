"""`--out`: the seconds of a load, written to files as it runs."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Protocol

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.report.load.lines import FORMATS
from alertdrill.agent.seconds_file import SecondsFile
from alertdrill.probes.load.tally import LoadSecond, Tally

_LOOK_EVERY_SECONDS = 0.25


class _Running(Protocol):
    """A load, as far as it is followed here."""

    started_at: float
    tally: Tally


class Outputs:
    """The files that follow a load."""

    def __init__(self, files: Sequence[SecondsFile]) -> None:
        self._files = files
        self._next_offset = 0
        self._told: set[str] = set()

    @property
    def failed(self) -> bool:
        """Tell whether a file is not whole."""
        return bool(self._problems())

    @asynccontextmanager
    async def following(self, load: _Running, warn: Callable[[str], None]) -> AsyncIterator[None]:
        """Write each second of a load for the length of the block, and at its end what is left.

        What goes wrong with a file is told once.
        """
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch(load, warn))
            try:
                yield
            finally:
                watching.cancel()
                self._pass_on(load)
                self._put(load, load.tally.parts)
                self.close()
                self._complain(warn)

    def close(self) -> None:
        """Wait until all is written."""
        for file in self._files:
            file.close()

    async def _watch(self, load: _Running, warn: Callable[[str], None]) -> None:
        while True:
            self._pass_on(load)
            self._complain(warn)
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    def _pass_on(self, load: _Running) -> None:
        # From the end: a load of days has many, of which few are new.
        new = list(takewhile(lambda second: second.offset >= self._next_offset, reversed(load.tally.seconds)))
        if new:
            self._next_offset = new[0].offset + 1
            self._put(load, new[::-1])

    def _put(self, load: _Running, seconds: Sequence[LoadSecond]) -> None:
        for second in seconds:
            for file in self._files:
                file.put(second, load.started_at)

    def _complain(self, warn: Callable[[str], None]) -> None:
        for problem in self._problems() - self._told:
            warn(problem)
        self._told |= self._problems()

    def _problems(self) -> set[str]:
        return {file.problem for file in self._files if file.problem}


@contextmanager
def opened(texts: Sequence[str], also: Sequence[str] = ()) -> Iterator[Outputs]:
    """Begin the files of texts such as `csv=load.csv`; raises ConfigError with every problem of them, and `also`.

    While there is any problem, each file keeps what it held.
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
