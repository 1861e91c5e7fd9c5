"""SIGINT and SIGTERM: a command that only computes ends at once, one with a loop is cancelled, so that it cleans up.

A loop that computes for seconds would not hear of a signal meanwhile. So whatever a command reads or computes before it
has anything to clean up stands in `ending_at_once`.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from alertdrill.agent.errors import INTERRUPTED

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_BUSY = threading.local()
_cancel: list[Callable[[], None]] = []


def listen() -> None:
    """Handle the signals from the first moment on; one that is ignored stays so, as for a job in the background."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _received)


@contextlib.contextmanager
def cancelling(cancel: Callable[[], None]) -> Iterator[None]:
    """Call `cancel` for each signal during the block, unless it comes within `ending_at_once`."""
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
    # Python calls this in the main thread, so the flag is that of the main thread.
    if _cancel and not getattr(_BUSY, "computes", False):
        _cancel[-1]()
    elif _cancel:
        raise KeyboardInterrupt
    else:
        # The reader of standard error may have gone, or a line may be half written.
        with contextlib.suppress(OSError, RuntimeError):
            sys.stderr.write("alertdrill: interrupted\n")
        raise SystemExit(INTERRUPTED)
