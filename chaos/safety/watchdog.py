"""Undoes the faults of a process that cannot: `python -P -m alertdrill.chaos.safety.watchdog LEDGER DRILL OWNER`.

Its input is a pipe on which the owner sends a byte every 100 ms. The owner is gone when the pipe closes or the process
ends; it hangs when no byte comes for a while, for example because it is stopped. In both cases, and when a fault
outlasts its longest duration, the watchdog undoes the faults, with retries while a target is away. It ends when the
owner is gone and no fault is left.

It runs beside every drill, so it loads the libraries that undo faults only when there is a fault. Then it loads them at
once, because that takes long on a busy machine, and a fault may make the machine busy.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alertdrill.chaos.errors import LedgerRefused
from alertdrill.chaos.safety import ledger_files
from alertdrill.chaos.safety.owner import Owner

if TYPE_CHECKING:
    from alertdrill.chaos.safety.healing import Undoing

READY, LAPSED = "ready", "lapsed: "
BEAT_SECONDS = 0.1
HUNG_AFTER_SECONDS = 1.2
_SUSPECT_AFTER_SECONDS = 0.5
# With a longer time between two looks, the watchdog itself was stopped, which says nothing about the owner.
_LONGEST_TICK_SECONDS = 0.3
_LOOK_EVERY_SECONDS = 1.0
# A fault that is not undone by then needs a person, and stays in the ledger for `alertdrill heal`.
_PATIENCE_SECONDS = 3600.0


class Watchdog:
    """Watches the faults that one process has in force for one drill."""

    def __init__(self, directory: Path, drill: str, owner: Owner) -> None:
        self._directory = directory
        self._drill = drill
        self._owner = owner
        self._silence_seconds = 0.0
        self._ticked_at = self._looked_at = time.monotonic()
        self._gone_since: float | None = None
        self._taken: set[str] = set()
        self._undoing: Undoing | None = None

    def run(self) -> None:
        """Watch until the owner is gone and no fault of it is left."""
        self._print(READY)
        while not self._is_over():
            self._wait_for_beat()
            self._look_at_the_owner()
            if self._is_time_to_look():
                self._look_at_the_ledger()

    def _wait_for_beat(self) -> None:
        """Wait a short time for a heartbeat, and count the time without one."""
        received = False
        if self._gone_since is None:
            while select.select([0], [], [], 0 if received else BEAT_SECONDS)[0]:
                if not os.read(0, 65536):
                    self._gone_since = time.monotonic()
                    return
                received = True
        else:
            time.sleep(BEAT_SECONDS)
        now = time.monotonic()
        tick, self._ticked_at = now - self._ticked_at, now
        self._silence_seconds = 0.0 if received else self._silence_seconds + min(tick, _LONGEST_TICK_SECONDS)

    def _look_at_the_owner(self) -> None:
        if self._gone_since is None and not self._owner.is_alive:
            self._gone_since = time.monotonic()
        if self._silence_seconds > _SUSPECT_AFTER_SECONDS and self._entries():
            self._get_ready()

    def _is_time_to_look(self) -> bool:
        now = time.monotonic()
        if now - self._looked_at > _LOOK_EVERY_SECONDS:
            self._looked_at = now
            self._print("watching")
            return True
        return self._gone_since is not None or self._silence_seconds > HUNG_AFTER_SECONDS

    def _look_at_the_ledger(self) -> None:
        entries = self._entries()
        if entries:
            self._get_ready()
        for entry_id, entry in entries.items():
            if self._gone_since is not None:
                self._take(entry_id)
            elif entry_id not in self._taken and (reason := self._reason_to_take(entry)):
                self._taken.add(entry_id)
                # Before the line is printed, so that the owner finds the entry lapsed.
                ledger_files.lapse(self._directory, entry_id)
                self._print(f"{LAPSED}{entry['fault']} on {entry['target']} was undone by the watchdog: {reason}")
                self._take(entry_id)

    def _reason_to_take(self, entry: dict[str, Any]) -> str:
        if self._silence_seconds > HUNG_AFTER_SECONDS:
            return f"process {self._owner.pid} did not respond for more than {HUNG_AFTER_SECONDS} s"
        return "it lasted longer than its at_most" if time.time() > entry["expires_at"] else ""

    def _take(self, entry_id: str) -> None:
        undoing = self._get_ready()
        undoing.is_handed_over = self._gone_since is not None
        undoing.take(entry_id)

    def _get_ready(self) -> Undoing:
        if self._undoing is None:
            from alertdrill.chaos.safety.healing import Undoing

            self._undoing = Undoing(self._directory)
        return self._undoing

    def _entries(self) -> dict[str, dict[str, Any]]:
        """Read the entries of this owner and drill; others, and those that are refused, are skipped."""
        found = {}
        with contextlib.suppress(OSError, LedgerRefused), ledger_files.opened(self._directory) as folder:
            for entry_id, name in ledger_files.entry_names(folder):
                with contextlib.suppress(OSError, LedgerRefused, ValueError, LookupError, TypeError, RecursionError):
                    entry = ledger_files.read_entry(folder, name, entry_id)
                    if Owner(**entry["owner"]) == self._owner and entry["drill"] == self._drill:
                        found[entry_id] = entry
        return found

    def _is_over(self) -> bool:
        if self._gone_since is None:
            return False
        is_idle = self._undoing is None or self._undoing.is_idle
        return (is_idle and not self._entries()) or time.monotonic() - self._gone_since > _PATIENCE_SECONDS

    def _print(self, line: str) -> None:
        # If the owner is gone or stopped, the pipe may be full or closed.
        with contextlib.suppress(OSError):
            os.write(1, f"{line}\n".encode())


def main() -> None:
    """Watch, and ignore the signals of a terminal: faults are undone before this ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.set_blocking(1, False)
    directory, drill, owner = sys.argv[1:]
    Watchdog(Path(directory), drill, Owner(**json.loads(owner))).run()


if __name__ == "__main__":
    main()
