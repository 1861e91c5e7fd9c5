"""Kills a process again whenever it is restarted: `python -m alertdrill.chaos.machine.keep_down ENTRY_ID SETTINGS`.

It finds the process in the old place, and earlier as the same program that the same parent has started again: so it
kills a server before that listens.
"""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress

from alertdrill.chaos.machine import holder
from alertdrill.chaos.machine.processes import ProcessEnded, RunningProcess, digest, with_command
from alertdrill.chaos.machine.whereabouts import Whereabouts
from alertdrill.units.settings import Settings

_LOOK_EVERY_SECONDS = 0.05


class KeptDown(Settings):
    """The place of the processes, and the processes that were found there first."""

    where: Whereabouts
    processes: tuple[RunningProcess, ...]
    signal: str

    def is_one(self, process: RunningProcess) -> bool:
        """Return whether a process runs the same program; a stale pid file may name another one."""
        return any(process.command_sha256 == one.command_sha256 and process.uid == one.uid for one in self.processes)

    def is_restarted(self, process: RunningProcess) -> bool:
        """Return whether a process also has the same parent as one of the first."""
        return self.is_one(process) and any(process.parent == one.parent for one in self.processes)

    def others(self) -> list[RunningProcess]:
        """Find processes that look the same and are not targets: they ran from the beginning."""
        return [one for one in self._alike() if one not in self.processes]

    def find(self, others: list[RunningProcess]) -> list[RunningProcess]:
        """Find all processes to kill now."""
        restarted = [one for one in self._alike() if self.is_restarted(one) and one not in others]
        return [*filter(self.is_one, self.where.find()), *restarted]

    def _alike(self) -> list[RunningProcess]:
        digests = {one.command_sha256 for one in self.processes}
        return with_command(lambda command: digest(command) in digests)


def main(text: str) -> None:
    """Look again and again, until the agent ends or this process is killed."""
    kept = KeptDown.model_validate_json(text)
    number = signal.Signals[f"SIG{kept.signal}"]
    others, pause_seconds = kept.others(), 0.0
    while not holder.released(pause_seconds):
        before = time.process_time()
        for process in kept.find(others):
            with suppress(ProcessEnded):
                process.send(number)
        if not pause_seconds:
            holder.holding()
        # With thousands of processes a look takes long, and the machine has other work.
        pause_seconds = max(_LOOK_EVERY_SECONDS, 4 * (time.process_time() - before))


if __name__ == "__main__":
    main(sys.argv[2])
