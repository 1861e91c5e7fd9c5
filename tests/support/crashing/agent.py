"""The process that fails: a fault with a watchdog, on an event loop whose calls can be seen.

It tells the matrix what it does, and asks it for what it cannot do to itself.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import subprocess
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.registry import fault_class
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.lease import leased
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.safety.watchdog import BEAT_SECONDS
from alertdrill.units.waiting import set_within
from crashing.steps import Steps, counted

_IN_FORCE_SECONDS = 0.05
_PR_SET_PDEATHSIG = 1
_SIGNALS = {"SIGKILL", "SIGSTOP", "SIGTERM", "SIGINT"}


class _Agent:
    def __init__(self, spec: dict[str, Any], matrix: Connection) -> None:
        self._spec = spec
        self.tell = matrix.send
        self._matrix = matrix
        self._dog: subprocess.Popen[bytes] | None = None
        self.steps = Steps(spec["at"], self._happen)

    def _happen(self) -> None:
        """Make the event happen now."""
        event = self._spec["event"]
        self.tell(("reached", ""))
        if event in _SIGNALS:
            os.kill(os.getpid(), signal.Signals[event])
        elif event == "disk full":
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        else:
            # The parent process does it, and this one waits. It hangs only for that, so its heartbeats go on.
            self.tell(("please", event))
            while not self._matrix.poll(BEAT_SECONDS):
                self._beat()
            self._matrix.recv()

    def _beat(self) -> None:
        if self._dog is not None and self._dog.stdin is not None:
            with suppress(OSError):
                os.write(self._dog.stdin.fileno(), b".")

    async def run(self) -> None:
        """Inject the fault and undo it, as a drill does; signals cancel it, as they cancel a command."""
        given = self._spec["fault"]
        fault = fault_class(given["kind"]).model_validate(given)
        endpoints = Endpoints(**self._spec["endpoints"])
        ledger = Ledger(Path(self._spec["ledger"]), "crashing")
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        lost = asyncio.Event()
        async with leased(ledger, lambda _: lost.set(), [fault]) as dog:
            self._dog = dog
            self.tell(("watchdog", dog.pid))
            with counted(self.steps):
                async with applied(fault, endpoints, ledger) as injection:
                    self.steps.be_in_force()
                    await set_within(lost, _IN_FORCE_SECONDS)
        self.tell(("said", injection.outcome))


def main(spec: dict[str, Any], matrix: Connection) -> None:
    """Run, and report the end and the steps."""
    # It ends when the server that forked it ends, and that one ends with the matrix.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    agent = _Agent(spec, matrix)
    try:
        asyncio.run(agent.run())
        ended = "as planned"
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the matrix reports every error
        ended = type(error).__name__
    agent.tell(("steps", agent.steps.names))
    agent.tell(("ended", ended))
