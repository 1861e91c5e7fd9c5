"""SIGINT and SIGTERM: a command that only computes ends at once, one with a loop is cancelled, so that it cleans up.

A loop that computes for seconds would not hear of a signal meanwhile. So whatever a command reads or computes before it
has anything to clean up stands in `ending_at_once`. After the first signal, further ones change nothing in how a command
ends: they come in bursts, because a shell and a process manager may both send one.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from alertdrill.agent.errors import INTERRUPTED

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_BUSY = threading.local()
_ENDING = threading.Event()
_EXITING = threading.Event()
_cancel: list[Callable[[], None]] = []


def listen() -> None:
    """Handle the signals from the first moment on; one that is ignored stays so, as for a job in the background."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _received)
    # As it ends, Python sets back each handler, and a signal would kill the process before its exit code is known.
    atexit.register(_ignore)


@contextlib.contextmanager
def exiting() -> Iterator[None]:
    """Let the block end with the exit code of a signal, also where Python or a loop makes something else of its exit."""
    try:
        yield
    except BaseException:
        if not _EXITING.is_set():
            raise
    if _EXITING.is_set():
        raise SystemExit(INTERRUPTED)


def _ignore() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def cancelling(cancel: Callable[[], None]) -> Iterator[None]:
    """Call `cancel` for each signal during the block, unless it comes within `ending_at_once`."""
    if _EXITING.is_set():
        # A signal came before, and what was being imported then swallowed its exception.
        raise SystemExit(INTERRUPTED)
    before = {number: signal.signal(number, _received) for number in _SIGNALS}
    _cancel.append(cancel)
    try:
        yield
    finally:
        _cancel.pop()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def ending_at_once() -> Iterator[None]:
    """Let a signal raise KeyboardInterrupt in the block: it must leave nothing to clean up, and await nothing."""
    before = getattr(_BUSY, "computes", False)
    _BUSY.computes = True
    try:
        yield
    finally:
        _BUSY.computes = before


def _received(_number: int, _frame: FrameType | None) -> None:
    is_ending = _ENDING.is_set()
    _ENDING.set()
    # Python calls this in the main thread, so the flag is that of the main thread.
    if _cancel and not getattr(_BUSY, "computes", False):
        _cancel[-1]()
    elif _cancel:
        raise KeyboardInterrupt
    elif not is_ending:
        # The reader of standard error may have gone, or a line may be half written.
        with contextlib.suppress(OSError, RuntimeError):
            sys.stderr.write("alertdrill: interrupted\n")
        # Python prints an exception that comes while it ends, so the next signal must not raise another one.
        for number in _SIGNALS:
            signal.signal(number, _end)
        sys.unraisablehook = _without_exits
        # What was half made, such as an event loop, may log that nobody closed it.
        if "logging" in sys.modules:
            sys.modules["logging"].disable()
        _EXITING.set()
        raise SystemExit(INTERRUPTED)


def _without_exits(unraisable: sys.UnraisableHookArgs) -> None:
    """Print nothing where C code cannot raise the exit: `exiting` ends the command all the same."""
    if not isinstance(unraisable.exc_value, SystemExit):
        sys.__unraisablehook__(unraisable)


def _end(_number: int, _frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)
