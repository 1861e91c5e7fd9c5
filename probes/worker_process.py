"""A worker as its parent knows it: the process, the connection to it, and what it has told."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Iterator
from multiprocessing import resource_tracker

from alertdrill.probes.load.recorder import SecondCounts
from alertdrill.probes.load.worker import Job, work


class WorkerProcess:
    """Starts a worker; `due` and `open_transactions` are what it counted in the seconds that were added up."""

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        self.job = job
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(job, theirs), daemon=True)
        with _without_ctrl_c():
            self._process.start()
        theirs.close()
        self.process_id = self._process.pid or 0
        self.is_ready = self.is_done = self.is_dead = False
        self.due = 0
        self.open_transactions = 0
        self.seconds: dict[int, SecondCounts] = {}

    def say(self, word: object) -> None:
        """Send it a word; of one that has just died its connection is about to tell."""
        with contextlib.suppress(OSError):
            self.connection.send(word)

    def kill(self) -> None:
        """End the process, however it is."""
        self.connection.close()
        self._process.kill()
        self._process.join()
        self._process.close()


@contextlib.contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Block SIGINT for what is started here: a process takes a while until it can ignore it by itself."""
    resource_tracker.ensure_running()  # later it would lift the block
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
