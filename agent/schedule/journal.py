"""What became of each occurrence: a file of JSON lines beside the recordings, the newest line of an occurrence holds.

A line `running` is on disk before a drill begins, so an occurrence runs at most once, also after a crash or a power cut.
The history is made from this file and the recordings. A line that was cut off by a crash is passed over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from alertdrill.agent.config.daemon import ScheduleEntry
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import private, write_whole
from alertdrill.agent.schedule.occurrences import Blackout, Occurrence, Pause, Skip
from alertdrill.units import json_text
from alertdrill.units.text import utc_instant, utc_text

State = Literal["waiting", "running", "done", "skipped", "interrupted"]
"""An occurrence ends as done (its drills ran), skipped (with a reason) or interrupted (the agent ended meanwhile)."""

NAME = "occurrences.jsonl"
_MOST_VALUES_OF_A_LINE = 2_000
_MOST_RECORDS = 40_000
# Four times as many as calls may order at once, so that those of the half that ends first are over.
_MOST_BLACKOUTS = 400
_One = TypeVar("_One")


@dataclass(frozen=True)
class OccurrenceRecord:
    """One line: the occurrence (all instants are in UTC), its state since `at`, and why.

    `verdicts` has the exit code of each drill that ran, by its name. `asked` and `call` are those of the occurrence.
    """

    entry: str
    instant: str
    starts_at: str
    state: State
    at: str
    reason: str = ""
    why: str = ""
    verdicts: tuple[tuple[str, int], ...] = ()
    asked: str = ""
    call: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What distinguishes its occurrence from all others."""
        return self.entry, self.instant


@dataclass(frozen=True)
class Watch:
    """A line that says since when an expression is watched: nothing was missed before."""

    entry: str
    cron: str
    since: str


@dataclass(frozen=True)
class PauseLine:
    """A line that pauses the schedule until an instant; one without a reason ends the pause before."""

    paused_until: str
    reason: str
    by: str = ""


@dataclass(frozen=True)
class BlackoutLine:
    """A line that says from when until when no drill runs; a later one of the same name holds in its place."""

    blackout: str
    begins_at: str
    ends_at: str
    reason: str
    by: str


_Line = OccurrenceRecord | Watch | PauseLine | BlackoutLine


def recorded(one: Occurrence, state: State, at: datetime, skip: Skip | None = None) -> OccurrenceRecord:
    """Make the line of an occurrence."""
    reason, why = ("", "") if skip is None else (skip.reason, skip.why)
    return OccurrenceRecord(
        *(one.entry.name, utc_text(one.instant), utc_text(one.starts_at), state, utc_text(at), reason, why),
        asked=one.asked,
        call=one.call,
    )


class Journal:
    """The occurrences of one folder of recordings; all of it is read when it is made. Raises ConfigError."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.records: dict[tuple[str, str], OccurrenceRecord] = {}
        self._last: dict[str, str] = {}
        self._watches: dict[str, Watch] = {}
        self._pause: PauseLine | None = None
        self._blackouts: dict[str, BlackoutLine] = {}
        for line in self._lines():
            self._keep(line)

    def add(self, *lines: _Line) -> None:
        """Write lines to the disk, and return when they are there; raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = b"".join(json.dumps(asdict(line), ensure_ascii=False).encode() + b"\n" for line in lines)
        with open(self.path, "a+b", opener=private) as file:
            if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
                text = b"\n" + text
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        for line in lines:
            self._keep(line)
        # The lines are on the disk, whether it can be shortened or not.
        with suppress(OSError):
            self.shorten()

    def watched_since(self, entry: ScheduleEntry, now: datetime) -> datetime:
        """Return the instant up to which every occurrence of an entry is decided on.

        A new entry, and one whose expression was changed, is watched from now on. So is one that was decided on in the
        future: the clock was ahead, and was set back. Raises OSError.
        """
        watch, now_text = self._watches.get(entry.name), utc_text(now)
        if watch is None or watch.cron != entry.cron or self._decided(watch) > now_text:
            watch = Watch(entry.name, entry.cron, now_text)
            self.add(watch)
        return utc_instant(self._decided(watch))

    def _decided(self, watch: Watch) -> str:
        return max(watch.since, self._last.get(watch.entry, ""))

    def interrupt_running(self, now: datetime, why: str) -> list[OccurrenceRecord]:
        """End the occurrences that ran or waited when an agent before ended; raises OSError."""
        left = [one for one in self.records.values() if one.state in {"waiting", "running"}]
        ended = [
            replace(one, state="interrupted", at=utc_text(now), reason="interrupted", why=why, verdicts=())
            for one in left
        ]
        if ended:
            self.add(*ended)
        return ended

    @property
    def pause(self) -> Pause | None:
        """The newest pause, which may be over; None if there was none or it was ended."""
        line = self._pause
        return None if line is None or not line.reason else Pause(utc_instant(line.paused_until), line.reason, line.by)

    def set_pause(self, pause: Pause | None, now: datetime) -> None:
        """Pause the schedule, or end the pause; raises OSError."""
        line = (
            PauseLine(utc_text(now), "") if pause is None else PauseLine(utc_text(pause.until), pause.reason, pause.by)
        )
        self.add(line)

    def blackouts(self, now: datetime) -> tuple[Blackout, ...]:
        """Return the times without drills that somebody ordered, and that are not over."""
        now_text = utc_text(now)
        return tuple(
            Blackout(line.blackout, utc_instant(line.begins_at), utc_instant(line.ends_at), line.reason, line.by)
            for line in self._blackouts.values()
            if line.ends_at > now_text
        )

    def set_blackout(self, one: Blackout) -> None:
        """Add a time without drills, or change the one of that name; raises OSError."""
        self.add(BlackoutLine(one.id, utc_text(one.begins_at), utc_text(one.ends_at), one.reason, one.by))

    def shorten(self, most_records: int = _MOST_RECORDS, most_blackouts: int = _MOST_BLACKOUTS) -> None:
        """When there are too many occurrences, remove the older half; the same for blackouts; raises OSError.

        Of blackouts, the half that ends first is removed. The clock is not asked which are over: while it is ahead, one that
        must still hold would be lost.
        """
        if len(self.records) <= most_records and len(self._blackouts) <= most_blackouts:
            return
        records = _newer(list(self.records.values()), most_records)
        blackouts = _newer(sorted(self._blackouts.values(), key=lambda one: one.ends_at), most_blackouts)
        pauses = [] if self._pause is None else [self._pause]
        lines: list[_Line] = [*self._watches.values(), *blackouts, *pauses, *records]
        write_whole(self.path, "".join(json.dumps(asdict(line), ensure_ascii=False) + "\n" for line in lines))
        self.records = {one.key: one for one in records}
        self._blackouts = {one.blackout: one for one in blackouts}

    def _lines(self) -> Iterator[_Line]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        for line in content.splitlines():
            if (read := _read(line)) is not None:
                yield read

    def _keep(self, line: _Line) -> None:
        if isinstance(line, Watch):
            self._watches[line.entry] = line
            self._last.pop(line.entry, None)
        elif isinstance(line, PauseLine):
            self._pause = line
        elif isinstance(line, BlackoutLine):
            self._blackouts[line.blackout] = line
        else:
            self.records[line.key] = line
            self._last[line.entry] = max(self._last.get(line.entry, ""), line.instant)


def _newer(lines: list[_One], most: int) -> list[_One]:
    """Return the last half of lines if there are too many."""
    return lines if len(lines) <= most else lines[len(lines) // 2 :]


def _read(line: bytes) -> _Line | None:
    """Return what a line says; None for one that is not whole."""
    try:
        values: dict[str, Any] = json_text.parse(line, _MOST_VALUES_OF_A_LINE)
        if "since" in values:
            return Watch(**values)
        if "paused_until" in values:
            utc_instant(values["paused_until"])
            return PauseLine(**values)
        if "blackout" in values:
            for name in ("begins_at", "ends_at"):
                utc_instant(values[name])
            return BlackoutLine(**values)
        verdicts = tuple((str(name), int(code)) for name, code in values.pop("verdicts", ()))
        read = OccurrenceRecord(**values, verdicts=verdicts)
        utc_instant(read.instant)
    except (ValueError, TypeError, AttributeError):
        return None
    return read
