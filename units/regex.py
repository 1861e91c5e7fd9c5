"""Matches regular expressions that anyone may have written, within a fixed time.

Prometheus and Alertmanager match in a time that grows with the length of the text. Python tries every way to match;
`(a+)+b` has so many that it practically never ends. Such a match would also keep a drill from undoing its fault.
"""

from __future__ import annotations

import contextlib
import re
import signal
import threading
from collections.abc import Iterator
from types import FrameType

MOST_SECONDS = 0.2
"""The most processor time of one match; nearly all take microseconds."""


class _TooLong(Exception):
    pass


def matches_whole(pattern: str, text: str) -> bool:
    """Return whether a regular expression matches all of a text; raises ValueError if it is invalid or takes too long."""
    try:
        with _limited():
            return re.fullmatch(pattern, text) is not None
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from error
    except _TooLong:
        msg = "it has too many ways to match"
        raise ValueError(msg) from None


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Raise _TooLong after the most processor time; only the main thread of a process can be interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _end)
    # The clock of processor time stands still while other processes have the processor.
    signal.setitimer(signal.ITIMER_VIRTUAL, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise _TooLong
