"""The faults in force, one file each, written and synced before a fault is injected.

An entry holds the injection as data, so that any later process can carry it out: `alertdrill heal`.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from chaos.errors import FaultNotApplied, FaultNotHealed
from chaos.injection import Injection
from chaos.registry import INJECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator


class Ledger:
    """A directory of faults in force; made when the first one is written."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def new_id(self) -> str:
        """Make a name that no other fault has; toxics carry it, so that ours are told from others'."""
        return f"alertdrill-{uuid.uuid4().hex[:12]}"

    def write(self, entry_id: str, injection: Injection) -> None:
        """Write an entry and sync it to disk; raises FaultNotApplied when that fails."""
        path = self._path(entry_id)
        beside = path.with_suffix(".tmp")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with beside.open("w", encoding="utf-8") as file:
                file.write(injection.model_dump_json())
                file.flush()
                os.fsync(file.fileno())
            beside.rename(path)
            directory = os.open(self.directory, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise FaultNotApplied(f"the ledger {path} cannot be written, so nothing is broken: {error}") from error

    def entries(self) -> Iterator[tuple[str, Injection]]:
        """Read what is in force; raises FaultNotHealed for an entry that cannot be read."""
        for path in sorted(self.directory.glob("alertdrill-*.json")):
            try:
                yield path.stem, _read(json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError, ValidationError) as error:
                raise FaultNotHealed(f"the ledger entry {path} cannot be read: {error}") from error

    async def heal(self, entry_id: str, injection: Injection) -> None:
        """Undo a fault and strike it out; the entry stays when that raises FaultNotHealed."""
        await injection.undo()
        self._path(entry_id).unlink(missing_ok=True)

    def _path(self, entry_id: str) -> Path:
        return self.directory / f"{entry_id}.json"


def _read(written: object) -> Injection:
    kind = written.get("kind") if isinstance(written, dict) else None
    if kind not in INJECTIONS:
        msg = f"unknown kind {kind!r}, expected one of: {', '.join(INJECTIONS)}"
        raise ValueError(msg)
    return INJECTIONS[kind].model_validate(written)
