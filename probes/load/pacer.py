"""Calls back at exact instants, without spinning.

uvloop's own timers have a resolution of one millisecond, and its short sleeps return at once. So on Linux a
timerfd (timerfd_create(2)) wakes the loop through its file descriptor. Elsewhere the loop's own timers are used.
Instants are seconds of `time.monotonic`, which on Linux is CLOCK_MONOTONIC, the clock of the timerfd.
"""

from __future__ import annotations

import asyncio
import ctypes
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1
# With a clock that stands still, a shorter sleep would spin.
_SHORTEST_SLEEP_SECONDS = 1e-6
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC if sys.platform == "linux" else 0


class Pacer(Protocol):
    """Calls back at the instant that was set last; it may call back again until the callback sets the next one."""

    def wake_at(self, instant: float, then: float) -> None:
        """Call back at an instant of `time.monotonic` or slightly later, never before it; at once if it has passed.

        `then` is the next instant after it, if it is known by now, else infinity. The pacer may call back at it too.
        """
        ...


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class _TimerfdPacer:
    """Two timers that take turns: one is set for the next instant, the other for the instant after it.

    To set the machine's earliest timer, the hardware has to be programmed, which takes several microseconds in a
    virtual machine. Any other timer is cheap to set, and the kernel programs it when the one before it ends.
    Setting a timer again also makes its file descriptor unreadable, so it never has to be read.
    """

    def __init__(self, libc: ctypes.CDLL, descriptors: tuple[int, int], wake: Callable[[], None]) -> None:
        self._settime = libc.timerfd_settime
        self._settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        self._descriptors = descriptors
        self._wake = wake
        self._spec = _Itimerspec()
        self._value = self._spec.value
        self._address = ctypes.addressof(self._spec)
        # The nanosecond that each timer is or was set for; 0 switches it off.
        self._set_for = [0, 0]
        self._ended = 0

    def fire(self, timer: int) -> None:
        """Call back: one of the timers has ended."""
        self._ended = timer
        self._wake()

    def wake_at(self, instant: float, then: float) -> None:
        ended, running = self._ended, 1 - self._ended
        # Rounded up, because it must never be early.
        at, after = max(int(instant * 1e9) + 1, 1), 0 if then == math.inf else int(then * 1e9) + 1
        if self._set_for[running] == at:
            self._set(ended, after)
            return
        self._set(ended, at)
        if self._set_for[running] < at:
            self._set(running, after)

    def _set(self, timer: int, nanoseconds: int) -> None:
        self._set_for[timer] = nanoseconds
        self._value.seconds, self._value.nanoseconds = divmod(nanoseconds, 1_000_000_000)
        self._settime(self._descriptors[timer], _TFD_TIMER_ABSTIME, self._address, None)


class _LoopPacer:
    """The loop's own timer, up to a millisecond late; when it fires early, as uvloop's may, it is set again."""

    def __init__(self, wake: Callable[[], None], clock: Callable[[], float]) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake = wake
        self._clock = clock
        self._instant = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def wake_at(self, instant: float, then: float) -> None:
        del then
        self.cancel()
        self._instant = instant
        self._timer = self._loop.call_later(max(instant - self._clock(), 0.0), self._fire)

    def _fire(self) -> None:
        left = self._instant - self._clock()
        if left > 0:
            self._timer = self._loop.call_later(max(left, _SHORTEST_SLEEP_SECONDS), self._fire)
            return
        self._wake()

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


@contextmanager
def pacing(
    wake: Callable[[], None], clock: Callable[[], float] = time.monotonic, platform: str = sys.platform
) -> Iterator[Pacer]:
    """Yield a pacer that calls `wake` in the running loop, for the length of the block.

    The instants are those of `clock`. A timerfd is used on the platform `linux` with `time.monotonic`; otherwise
    the loop's own timers are used.
    """
    if platform == "linux" and clock is time.monotonic:
        with _timerfd(wake) as pacer:
            yield pacer
        return
    pacer = _LoopPacer(wake, clock)
    try:
        yield pacer
    finally:
        pacer.cancel()


@contextmanager
def _timerfd(wake: Callable[[], None]) -> Iterator[Pacer]:
    libc = ctypes.CDLL(None, use_errno=True)
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        first, second = _create(libc, stack), _create(libc, stack)
        pacer = _TimerfdPacer(libc, (first, second), wake)
        for timer, descriptor in enumerate((first, second)):
            loop.add_reader(descriptor, pacer.fire, timer)
            stack.callback(loop.remove_reader, descriptor)
        yield pacer


def _create(libc: ctypes.CDLL, stack: ExitStack) -> int:
    descriptor: int = libc.timerfd_create(_CLOCK_MONOTONIC, _FLAGS)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    stack.callback(os.close, descriptor)
    return descriptor
