"""Holders: processes that keep a fault in force. Each ends with the agent, and any process can find it.

`python -m alertdrill.chaos.machine.keep_down ENTRY_ID SETTINGS` is one. Its input is a pipe that closes when the agent
ends for any reason. It prints `holding` when the fault is in force, or else an error. The process that undoes the fault
(the agent, the watchdog, `alertdrill heal`) finds the holder by the entry id in its command line, and kills it.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.machine.own_programs import own_environment, python_module
from alertdrill.chaos.machine.processes import ProcessEnded, RunningProcess, children, in_group, with_command
from alertdrill.chaos.machine.threads import in_thread
from alertdrill.units.settings import Settings

_READY_WITHIN_SECONDS = 60.0
_ENDED_WITHIN_SECONDS = 5.0
_HOLDING = "holding"
# The exit code of a holder from which its target was taken.
_ROBBED = 3

# A holder that is being started has no command line yet, so release() must wait until it has.
_starting = threading.Lock()
_started: list[subprocess.Popen[bytes]] = []
# Ids of ended faults. A cancelled hold() may still be starting a process in its thread; it looks here first.
_over: set[str] = set()
_robbed: set[str] = set()


async def hold(module: str, entry_id: str, settings: Settings, count: int = 1) -> None:
    """Start a number of holders, and wait until they hold; raises FaultNotApplied with the error of one.

    The settings are in its command line, so they must not hold a secret.
    """
    await in_thread(_start, python_module(module, entry_id, settings.model_dump_json()), entry_id, count)


async def release(entry_id: str) -> None:
    """Kill every holder of a fault, and confirm that they are gone; raises FaultNotHealed."""
    await in_thread(_end, entry_id)


async def lost(entry_id: str, count: int = 1) -> str:
    """Return why a fault is not held any more; empty while all its holders run."""
    found = await in_thread(with_command, lambda command: _is_holder(command, entry_id))
    # A holder that has ended keeps its command line until it is reaped in some kernels, but not its state.
    running = sum(one.state not in {None, "Z", "X"} for one in found)
    return f"{count - running} of {count} processes that hold the fault have ended" if running < count else ""


async def is_robbed(entry_id: str) -> bool:
    """Return whether a holder of a fault ended because its target was taken from it; known to the agent alone."""
    return await in_thread(_is_robbed, entry_id)


def holding() -> None:
    """Report that the fault is in force; called by a holder."""
    sys.stdout.write(f"{_HOLDING}\n")
    sys.stdout.flush()


def hold_on(is_robbed: Callable[[], bool] = lambda: False) -> None:
    """Wait until the agent has ended, or until the target is taken from this holder, which then exits; called by one."""
    while not released(1.0):
        if is_robbed():
            os._exit(_ROBBED)


def released(after_seconds: float = 0.0) -> bool:
    """Wait a limited time, and return whether the agent has ended; called by a holder."""
    return bool(select.select([sys.stdin], [], [], after_seconds)[0])


@cache
def _life_line() -> tuple[int, int]:
    """Make a pipe whose writing end only this process has: it closes when this process ends."""
    return os.pipe()


def _start(command: list[str], entry_id: str, count: int) -> None:
    with _starting:
        _reap()
        if entry_id in _over:
            return
        started = [_popen(command) for _ in range(count)]
        _started.extend(started)
    for words in [_first_words(one) for one in started]:
        if words != _HOLDING:
            raise FaultNotApplied(words or f"{command[3]} ended without any output")


def _popen(command: list[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=_life_line()[0],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=own_environment(),
            start_new_session=True,
        )
    except OSError as error:
        raise FaultNotApplied(f"{command[0]} cannot be started: {error.strerror}") from error


def _first_words(started: subprocess.Popen[bytes]) -> str:
    """Read until a holder holds or ends; return its last line, which for a traceback is the error."""
    assert started.stdout is not None  # noqa: S101 - it was started with a pipe
    text, deadline = b"", time.monotonic() + _READY_WITHIN_SECONDS
    with started.stdout as output:
        # An agent may have more open files than select() supports.
        ready = select.poll()
        ready.register(output, select.POLLIN)
        while not text.endswith(f"{_HOLDING}\n".encode()):
            left = deadline - time.monotonic()
            if left <= 0 or not ready.poll(left * 1000):
                return f"{started.args!r} is not ready after {_READY_WITHIN_SECONDS:g} s"
            chunk = os.read(output.fileno(), 65536)
            if not chunk:
                break
            text += chunk
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


def _end(entry_id: str) -> None:
    with _starting:
        _over.add(entry_id)
        held = with_command(lambda command: _is_holder(command, entry_id))
    held += _kill_children({one.pid for one in held})
    for one in held:
        try:
            one.send(signal.SIGKILL)
        except ProcessEnded:
            continue
        except PermissionError as error:
            raise FaultNotHealed(f"{one.words} cannot be ended: it belongs to another user") from error
    deadline = time.monotonic() + _ENDED_WITHIN_SECONDS
    while left := [one for one in held if one.state is not None]:
        if time.monotonic() > deadline:
            raise FaultNotHealed(f"{left[0].words} does not end")
        time.sleep(0.005)
    with _starting:
        _reap()


def _kill_children(holders: set[int]) -> list[RunningProcess]:
    """Kill each child of a holder with its whole process group, and return these processes.

    When the holder ends, the kernel ends only its child and not the child's own children. Programs that an ended child
    left running go on.
    """
    killed = []
    for child in children(holders) if holders else []:
        killed += [child, *in_group(child.pid)]
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    return killed


def _is_holder(command: tuple[str, ...], entry_id: str) -> bool:
    """Return whether a command line is a holder's; other programs may have the fault's id elsewhere in theirs."""
    return command[1:3] == ("-P", "-m") and command[4:5] == (entry_id,) and command[3].startswith("alertdrill.chaos.")


def _is_robbed(entry_id: str) -> bool:
    with _starting:
        _reap()
        return entry_id in _robbed


def _reap() -> None:
    _robbed.update(str(one.args[4]) for one in _started if one.poll() == _ROBBED)  # type: ignore[index]
    _started[:] = [one for one in _started if one.poll() is None]
