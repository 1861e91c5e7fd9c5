"""Ends a process again whenever it comes back: `python -m alertdrill.chaos.machine.keep_down ENTRY_ID SETTINGS`.

It is found where it was, and before that as the same program that the same parent has started anew: a server
that is on its way up is hit before it listens.
"""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress

from alertdrill.chaos.machine import holder
from alertdrill.chaos.machine.processes import ProcessEnded, RunningProcess, digest, whose_command
from alertdrill.chaos.machine.whereabouts import Whereabouts
from alertdrill.units.settings import Settings

_LOOK_EVERY_SECONDS = 0.05


class KeptDown(Settings):
    """Which processes: those found there, and those that were."""

    where: Whereabouts
    processes: tuple[RunningProcess, ...]
    signal: str

    def is_one(self, process: RunningProcess) -> bool:
        """Tell whether what was found there is the same program; a stale pid file may name anybody's."""
        return any(process.command_sha256 == one.command_sha256 and process.uid == one.uid for one in self.processes)

    def is_anew(self, process: RunningProcess) -> bool:
        """Tell whether a process has one's parent too."""
        return self.is_one(process) and any(process.parent == one.parent for one in self.processes)

    def others(self) -> list[RunningProcess]:
        """Find those that look the same and are not meant: they run beside them from the beginning."""
        return [one for one in self._alike() if one not in self.processes]

    def find(self, others: list[RunningProcess]) -> list[RunningProcess]:
        """Find all that are to be ended now."""
        anew = [one for one in self._alike() if self.is_anew(one) and one not in others]
        return [*filter(self.is_one, self.where.find()), *anew]

    def _alike(self) -> list[RunningProcess]:
        digests = {one.command_sha256 for one in self.processes}
        return whose_command(lambda command: digest(command) in digests)


def main(text: str) -> None:
    """Look, and look again, until the agent ends or somebody ends this."""
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
        # Of thousands of processes a look takes long, and the machine has other work.
        pause_seconds = max(_LOOK_EVERY_SECONDS, 4 * (time.process_time() - before))


if __name__ == "__main__":
    main(sys.argv[2])
