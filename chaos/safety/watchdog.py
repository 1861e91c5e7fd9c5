"""Undoes the faults of a process that cannot: `python -P -m alertdrill.chaos.safety.watchdog LEDGER DRILL OWNER KIND…`.

Its input is a pipe on which the owner sends a byte every 100 ms. The owner is gone when the pipe closes or the process
ends; it hangs when no byte comes for a while, for example because it is stopped. In both cases, and when a fault
outlasts its longest duration, the watchdog undoes the faults, with retries while a target is away. It ends when the
owner is gone and no fault is left, or soon after the owner is gone and the ledger itself was deleted.

It is ready when it has loaded all that undoes the faults of its drill (the owner names their kinds), and has read
the ledger once. That takes long on a busy machine, so nothing is broken before.

Every second it prints for how long it has not looked: a thread of its own does that, so that the owner can distinguish a
watchdog that is at work from one that hangs.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alertdrill.chaos.errors import LedgerRefused
from alertdrill.chaos.safety import ledger_files
from alertdrill.chaos.safety.owner import Owner
from alertdrill.units.processor_time import Counters, Strain, counters, strain

if TYPE_CHECKING:
    from alertdrill.chaos.safety.healing import Undoing

READY, LAPSED, WATCHING = "ready", "lapsed: ", "watching "
BEAT_SECONDS = 0.1
HUNG_AFTER_SECONDS = 1.2
# With a longer time between two looks, the watchdog itself was stopped, which says nothing about the owner.
_LONGEST_TICK_SECONDS = 0.3
_LOOK_EVERY_SECONDS = 1.0
# A fault that is not undone by then needs a person, and stays in the ledger for `alertdrill heal`.
_PATIENCE_SECONDS = 3600.0
# Without its ledger, a fault that is not undone by then is known to nobody.
_PATIENCE_WITHOUT_LEDGER_SECONDS = 3.0
_SAYS_SO_EVERY_SECONDS = 1.0


class Watchdog:
    """Watches the faults that one process has in force for one drill; `undoing` undoes them.

    `read` reads the processor time of the owner.
    """

    def __init__(
        self,
        directory: Path,
        drill: str,
        owner: Owner,
        undoing: Undoing,
        read: Callable[[int], Counters] = counters,
    ) -> None:
        self._directory = directory
        self._drill = drill
        self._owner = owner
        self._silence_seconds = 0.0
        self._ticked_at = self._looked_at = time.monotonic()
        self._gone_since: float | None = None
        self._taken: set[str] = set()
        self._undoing = undoing
        self._read = read
        self._heard_with = read(owner.pid)

    def run(self) -> None:
        """Watch until the owner is gone and no fault of it is left."""
        self._look_at_the_ledger()
        _print(READY)
        threading.Thread(target=self._say_when_it_looked, daemon=True).start()
        while not self._is_over():
            self._wait_for_beat()
            self._look_at_the_owner()
            if self._is_time_to_look():
                self._look_at_the_ledger()

    def _say_when_it_looked(self) -> None:
        while True:
            _print(f"{WATCHING}{time.monotonic() - self._ticked_at:.3f}")
            time.sleep(_SAYS_SO_EVERY_SECONDS)

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

    def _is_time_to_look(self) -> bool:
        now = time.monotonic()
        if now - self._looked_at > _LOOK_EVERY_SECONDS:
            self._looked_at = now
            if not self._silence_seconds:
                self._heard_with = self._read(self._owner.pid)
            return True
        return self._gone_since is not None or self._silence_seconds > HUNG_AFTER_SECONDS

    def _look_at_the_ledger(self) -> None:
        for entry_id, entry in self._entries().items():
            if self._gone_since is not None:
                self._take(entry_id)
            elif entry_id not in self._taken and (reason := self._reason_to_take(entry)):
                self._taken.add(entry_id)
                # Before the line is printed, so that the owner finds the entry lapsed.
                ledger_files.lapse(self._directory, entry_id)
                _print(f"{LAPSED}{entry['fault']} on {entry['target']} was undone by the watchdog: {reason}")
                self._take(entry_id)

    def _reason_to_take(self, entry: dict[str, Any]) -> str:
        if self._silence_seconds > HUNG_AFTER_SECONDS:
            return f"process {self._owner.pid} did not respond for more than {HUNG_AFTER_SECONDS} s{self._because()}"
        return "it lasted longer than its at_most" if time.time() > entry["expires_at"] else ""

    def _because(self) -> str:
        """Return that the machine is short of time, if it is; a process that was stopped would not respond anyway."""
        found = strain(self._heard_with, self._read(self._owner.pid))
        if self._owner.is_stopped or not found.is_short:
            return ""
        return f", because {short_of_time(found)}"

    def _take(self, entry_id: str) -> None:
        self._undoing.is_handed_over = self._gone_since is not None
        self._undoing.take(entry_id)

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
        if self._undoing.is_idle and not self._entries():
            return True
        patience = _PATIENCE_SECONDS if self._directory.exists() else _PATIENCE_WITHOUT_LEDGER_SECONDS
        return time.monotonic() - self._gone_since > patience


def _print(line: str) -> None:
    # If the owner is gone or stopped, the pipe may be full or closed.
    with contextlib.suppress(OSError):
        os.write(1, f"{line}\n".encode())


def short_of_time(found: Strain) -> str:
    """Return that the machine is short of time, with the figures."""
    return f"this machine is short of processor time ({found})"


def loaded(directory: Path, kinds: Sequence[str]) -> Undoing:
    """Load what undoes faults of these kinds; a client whose library is not installed is left out."""
    from alertdrill.chaos.registry import fault_class
    from alertdrill.chaos.safety.healing import Undoing
    from alertdrill.units.extras import LibraryMissing, of_extra

    for module in filter(None, (fault_class(kind).client_module for kind in kinds)):
        with contextlib.suppress(LibraryMissing), of_extra(module):
            importlib.import_module(module)
    return Undoing(directory)


def main() -> None:
    """Watch, and ignore the signals of a terminal: faults are undone before this ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.set_blocking(1, False)
    directory, drill, owner, *kinds = sys.argv[1:]
    Watchdog(Path(directory), drill, Owner(**json.loads(owner)), loaded(Path(directory), kinds)).run()
    # Python itself would wait for an undo that still runs in a thread.
    os._exit(0)


if __name__ == "__main__":
    main()
