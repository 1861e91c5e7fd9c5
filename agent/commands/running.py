"""Running a command on a loop of its own, and the exit code that its end or its error has."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import typer

from alertdrill.agent.errors import INTERRUPTED, NOT_HEALED, USAGE, worst


def run(main: Callable[[], Coroutine[Any, Any, int]], *, mends: bool = True) -> int:
    """Run a command on uvloop; SIGINT and SIGTERM cancel it, so that all it broke is mended first."""
    import uvloop

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_until_signalled(main, "stopping: undoing what is broken …" if mends else "stopping …"))
    except asyncio.CancelledError:
        typer.echo(f"alertdrill: interrupted{'; every fault was undone' if mends else ''}", err=True)
        return INTERRUPTED
    except BaseExceptionGroup as group:
        return _explain(group)
    except Exception as error:  # noqa: BLE001 - the one place where errors become exit codes
        return _explain(BaseExceptionGroup("", [error]))


async def _until_signalled(main: Callable[[], Coroutine[Any, Any, int]], stopping: str) -> int:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine always runs in one
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        task.cancel()
        # Whoever read it may be gone, and that keeps nobody from stopping.
        with contextlib.suppress(OSError):
            # A live view takes what is written here and puts it above itself; it is not asked by typer.
            sys.stderr.write(f"alertdrill: {stopping}\n")

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    return await main()


def _explain(group: BaseExceptionGroup[BaseException]) -> int:
    """Print each expected error as a line and tell the exit code; a bug is raised again."""
    from alertdrill.agent.errors import ConfigError, ServiceUnavailable, leaves
    from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
    from alertdrill.lab.errors import LabError
    from alertdrill.probes.load.workers import WorkersDied

    known = (ConfigError, ServiceUnavailable, FaultNotApplied, FaultNotHealed, LabError, WorkersDied)
    matched, rest = group.split(known)
    if rest is not None or matched is None:
        raise group
    codes = [USAGE]
    for error in leaves(matched):
        for line in str(error).splitlines():
            typer.echo(f"alertdrill: {line}", err=True)
        codes.append(NOT_HEALED if isinstance(error, FaultNotHealed) else USAGE)
    return worst(codes)
