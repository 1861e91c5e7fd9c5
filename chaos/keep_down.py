"""Ends a process again whenever it comes back: `python -m chaos.keep_down ENTRY_ID SETTINGS`."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress

from chaos import holder
from chaos.processes import ProcessEnded, RunningProcess
from chaos.whereabouts import Whereabouts
from units.settings import Settings

_LOOK_EVERY_SECONDS = 0.05


class KeptDown(Settings):
    """Which processes: those found there with one of these command lines, of the user whose they were."""

    where: Whereabouts
    commands: tuple[tuple[str, ...], ...]
    uid: int
    signal: str

    def is_it(self, process: RunningProcess) -> bool:
        """Tell whether what was found there is the same program; a stale pid file may name anybody's."""
        return process.command in self.commands and process.uid == self.uid


def main(text: str) -> None:
    """Look, and look again, until the agent ends or somebody ends this."""
    kept = KeptDown.model_validate_json(text)
    number = signal.Signals[f"SIG{kept.signal}"]
    told = False
    while not holder.released(_LOOK_EVERY_SECONDS if told else 0):
        for process in filter(kept.is_it, kept.where.find()):
            with suppress(ProcessEnded):
                process.send(number)
        if not told:
            holder.holding()
            told = True


if __name__ == "__main__":
    main(sys.argv[2])
