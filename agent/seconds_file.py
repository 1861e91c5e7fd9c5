"""A file that gets a line for each second of load while it runs."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from queue import SimpleQueue

from alertdrill.agent.report.load.lines import Format
from alertdrill.probes.load.tally import LoadSecond

_LAST_LINES_WITHIN_SECONDS = 5.0


class SecondsFile:
    """Takes lines in a thread of its own, so that a slow disk does not hold the load up.

    Raises OSError if it cannot be opened, and leaves what is in it until it is begun. What goes wrong later stands in
    `problem`; nothing is written after it.
    """

    def __init__(self, form: Format, path: Path) -> None:
        self.problem = ""
        self._form = form
        self._path = path
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without a buffer each line is there for whoever follows the file as soon as it is written.
        self._file = path.open("ab", buffering=0)
        self._whole_bytes = 0
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """Put the head in the place of what an earlier load wrote; raises OSError."""
        if self._path.is_file():
            self._file.truncate(0)
        self._write(self._form.head)

    def put(self, second: LoadSecond, started_at: float) -> None:
        """Have the line of a second written, of a load that began at `started_at` (Unix seconds)."""
        self._lines.put(self._form.line(second, started_at))

    def close(self) -> None:
        """Wait until all is written; a reader that takes nothing is waited for five seconds."""
        self._lines.put(None)
        self._thread.join(_LAST_LINES_WITHIN_SECONDS)
        if self._thread.is_alive():
            self.problem = f"{self._path} takes no more, its last lines are lost"

    def _take(self) -> None:
        while (line := self._lines.get()) is not None:
            if self.problem:
                continue
            try:
                self._write(line)
            except OSError as error:
                self.problem = f"{self._path} cannot be written to its end: {error.strerror or error}"
                # No reader needs half a line; a pipe cannot be cut off.
                with contextlib.suppress(OSError):
                    self._file.truncate(self._whole_bytes)
        with contextlib.suppress(OSError):
            self._file.close()

    def _write(self, line: str) -> None:
        whole = left = line.encode()
        while left:
            left = left[self._file.write(left) :]
        self._whole_bytes += len(whole)
