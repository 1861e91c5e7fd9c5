"""Reads recordings for the history in a process of its own, which begins with the first one.

A running agent then keeps neither the modules that judge nor the memory that a large recording needs.

    python -m alertdrill.agent.history.apart      # a path as JSON on each line of standard input
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alertdrill.agent.history.connection import HistoryUnavailable
from alertdrill.agent.history.index import IndexedRun, read_run
from alertdrill.chaos.machine.own_programs import own_environment, python_module
from alertdrill.units import json_text

_NICE = 10
_MOST_VALUES = 2_000_000


@contextmanager
def reading_apart() -> Iterator[Callable[[Path], IndexedRun | str]]:
    """Yield a function like `read_run` that reads in a process of its own, for the length of the block; it raises HistoryUnavailable if that process dies."""
    started: list[subprocess.Popen[str]] = []

    def read(path: Path) -> IndexedRun | str:
        if not started:
            started.append(_process())
        return _asked(started[0], path)

    try:
        yield read
    finally:
        for process in started:
            process.kill()
            process.communicate()


def _process() -> subprocess.Popen[str]:
    command = python_module("alertdrill.agent.history.apart")
    try:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=own_environment()
        )
    except OSError as error:
        raise HistoryUnavailable(f"recordings cannot be read: {error.strerror or error}") from error


def _asked(process: subprocess.Popen[str], path: Path) -> IndexedRun | str:
    assert process.stdin is not None  # noqa: S101 - it was started with pipes
    assert process.stdout is not None  # noqa: S101
    try:
        process.stdin.write(json.dumps(str(path.absolute())) + "\n")
        line = process.stdout.readline()
    except OSError:
        line = ""
    if not line.endswith("\n"):
        raise HistoryUnavailable(f"{path} cannot be read: the process that reads it ended with {process.wait()}")
    found: Any = json_text.parse(line.encode(), _MOST_VALUES)
    return found if isinstance(found, str) else IndexedRun(**found)


def main() -> None:
    """Read paths from the parent, and send back what `read_run` returns for each."""
    # The load has processes on this machine.
    os.nice(_NICE)
    for line in sys.stdin:
        found = read_run(Path(str(json_text.parse(line.encode(), _MOST_VALUES))))
        sys.stdout.write(json.dumps(found if isinstance(found, str) else asdict(found)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
