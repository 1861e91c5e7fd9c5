"""The steps of a process: each call by which it touches a file, a socket or a process.

There is no list of steps: a profile hook sees every call of a C function in every thread. Not counted are calls that only
read, and calls whose number depends on time: the waiting of an event loop, the socket by which threads wake it, the
heartbeats to the watchdog. While the fault is in force nothing is called, so that is a step of its own.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import BuiltinFunctionType, FrameType
from typing import Any

_TOUCHES = {
    *("open", "mkdir", "rename", "link", "unlink", "fsync", "kill", "pidfd_send_signal"),
    *("fork_exec", "socket.connect", "socket.connect_ex", "socket.send", "socket.recv", "socket.close"),
    *("TextIOWrapper.write", "TextIOWrapper.flush", "TextIOWrapper.close", "FileIO.close", "_IOBase.__exit__"),
}
_OF_THE_LOOP = {"_write_to_self", "_read_from_self"}
IN_FORCE = "in force: wait"
_PHASES = {"resolve": "resolve", "write": "ledger", "inject": "inject", "undo": "undo", "remove": "ledger"}


class Steps:
    """Counts steps, and does something just before one of them, which is given by its number or its name.

    The numbers of later steps differ between runs if a library sends in one piece or in two.
    """

    def __init__(self, at: int | str | None, happen: Callable[[], None]) -> None:
        self.names: list[str] = []
        self._at, self._happen = at, happen
        self._phase = "begin"
        self._lock = threading.Lock()

    def hook(self, frame: FrameType, event: str, argument: Any) -> None:
        """Record a call; see sys.setprofile."""
        if event == "call":
            code = frame.f_code
            if code.co_name in _PHASES and "/chaos/" in code.co_filename:
                self._phase = _PHASES[code.co_name]
            return
        if event != "c_call" or not isinstance(argument, BuiltinFunctionType):
            return
        name = argument.__qualname__
        if name == "open" and self._phase != "ledger":
            return  # it reads
        if name in _TOUCHES and frame.f_code.co_name not in _OF_THE_LOOP:
            self._count(name)

    def be_in_force(self) -> None:
        """Count that the fault is in force."""
        self._phase, wait = IN_FORCE.split(": ")
        self._count(wait)

    def _count(self, name: str) -> None:
        with self._lock:
            number, step = len(self.names), f"{self._phase}: {name}"
            self.names.append(step)
        if self._at in {number, step}:
            self._happen()


@contextmanager
def counted(steps: Steps) -> Iterator[None]:
    """Count steps in this thread and in those that start within the block."""
    threading.setprofile(steps.hook)
    sys.setprofile(steps.hook)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
