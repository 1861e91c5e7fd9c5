"""Keeps what each recording proves in the history, so that a gate reads a recording once, and not each time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.gate.proofs import AlertProof, merged, proofs_in, proofs_of
from alertdrill.agent.history.connection import Database, HistoryUnavailable
from alertdrill.agent.history.database import opened
from alertdrill.agent.history.index import recording_files
from alertdrill.agent.recording.recording import read_recording
from alertdrill.agent.verdict.judge import judge

_PROOFS = TypeAdapter(list[AlertProof])
_KEY = ("path", "size", "changed_ns")
_Key = tuple[str, int, int]
_Kept = tuple[str, str]
"""What is wrong with a recording, or its proofs as JSON."""
# A gate that is ended while it reads thousands of recordings goes on from there the next time.
_AT_ONCE = 20


def proofs_by_history(settings: HistorySettings, folder: Path, skip: Callable[[str], None]) -> list[AlertProof]:
    """Return what `proofs_in` does, from the history if there is one."""
    if settings.server is None and not settings.file(folder).exists():
        return proofs_in(folder, skip)
    try:
        with opened(settings, folder) as database:
            return _caught_up(database, folder, skip)
    # It may belong to another user, or to a newer alertdrill.
    except (HistoryUnavailable, ConfigError) as error:
        skip(f"the history cannot be used now, so all recordings are read: {error}")
        return proofs_in(folder, skip)


def _caught_up(database: Database, folder: Path, skip: Callable[[str], None]) -> list[AlertProof]:
    """Keep the recordings that are new or were changed, forget those that are gone, and return what all of them prove."""
    rows = database.execute(
        "SELECT path, size, changed_ns, problem, proofs FROM recording_proofs WHERE agent = ?", (database.agent,)
    )
    kept: dict[_Key, _Kept] = {row[:3]: row[3:] for row in rows}
    files = {file.row: file.path for file in recording_files(folder)}
    missing = [key for key in files if key not in kept or _proofs(kept[key]) is None]
    for begin in range(0, len(missing), _AT_ONCE):
        read = {key: _read(files[key]) for key in missing[begin : begin + _AT_ONCE]}
        with database.writing():
            database.replace("recording_proofs", _KEY[:1], [(*key, *found) for key, found in read.items()])
        kept |= read
    there = {key[0] for key in files}
    with database.writing():
        for path in {row[0] for row in rows} - there:
            database.execute("DELETE FROM recording_proofs WHERE agent = ? AND path = ?", (database.agent, path))
    for problem in filter(None, (kept[key][0] for key in files)):
        skip(problem)
    return merged(proof for key in files for proof in _proofs(kept[key]) or [])


def _read(path: Path) -> _Kept:
    try:
        recording = read_recording(path)
        return "", _PROOFS.dump_json(proofs_of(recording, judge(recording)), exclude_defaults=True).decode()
    except ConfigError as error:
        return str(error), "[]"


def _proofs(kept: _Kept) -> list[AlertProof] | None:
    """Return proofs; None if an older or newer alertdrill wrote them in another form."""
    try:
        return _PROOFS.validate_json(kept[1])
    except ValidationError:
        return None
