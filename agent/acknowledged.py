"""The ids of the transactions that a load was told have succeeded, in a file, a line each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alertdrill.agent.errors import ConfigError


class Acknowledged:
    """Appends ids to a new file, whole lines at once, so that only the file grows with the load.

    A file that cannot be written does not stop the load: `tell` hears of it, and `problem` says why from then on.
    """

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        """Open the file; raises ConfigError when that cannot be done."""
        self.path = path
        self.count = 0
        self.problem = ""
        self._tell = tell
        try:
            self._file = path.open("w", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error

    def keep(self, ids: list[str]) -> None:
        """Append ids, flushed."""
        if self.problem or not ids:
            return
        try:
            self._file.write("".join(f"{one}\n" for one in ids))
            self._file.flush()
        except OSError as error:
            self.problem = f"{self.path} cannot be written: {error.strerror or error}"
            self._tell(f"acknowledged transactions are not kept any more: {self.problem}")
            return
        self.count += len(ids)

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:
            self.problem = self.problem or f"{self.path} cannot be written: {error.strerror or error}"
