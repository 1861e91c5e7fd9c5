"""Running a command, and the exit code of its end or of its error."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import typer

from alertdrill.agent import interrupts
from alertdrill.agent.errors import INTERRUPTED, NOT_HEALED, USAGE, worst


def run(main: Callable[[], Coroutine[Any, Any, int]], *, undoes: bool = True) -> int:
    """Run a command on uvloop; SIGINT and SIGTERM cancel it, so that every fault is undone first."""
    import asyncio

    import uvloop

    from alertdrill.units.waiting import keep_cancellations

    keep_cancellations()
    stopping = "stopping: undoing what is broken …" if undoes else "stopping …"
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_until_signalled(main, stopping, undoes=undoes))
    except (asyncio.CancelledError, KeyboardInterrupt):
        typer.echo(f"alertdrill: interrupted{'; every fault was undone' if undoes else ''}", err=True)
        return INTERRUPTED
    except BaseExceptionGroup as group:
        return _explain(group)
    except Exception as error:  # noqa: BLE001 - the one place where errors become exit codes
        return _explain(BaseExceptionGroup("", [error]))


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn an expected error of the block into a printed line and its exit code; for commands without a loop."""
    try:
        yield
    except typer.Exit:
        raise
    except Exception as error:  # noqa: BLE001 - a bug is raised again
        raise typer.Exit(_explain(BaseExceptionGroup("", [error]))) from None


async def _until_signalled(main: Callable[[], Coroutine[Any, Any, int]], stopping: str, *, undoes: bool) -> int:
    import asyncio

    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine always runs in one
    loop = asyncio.get_running_loop()
    is_stopping = False

    def interrupt() -> None:
        nonlocal is_stopping
        # Where nothing is to be undone, a second signal would only break off the summary of the first.
        if not undoes and is_stopping:
            return
        is_stopping = True
        loop.call_soon_threadsafe(task.cancel)
        # The reader of standard error may have gone, or a line may be half written; that must not prevent stopping.
        with contextlib.suppress(OSError, RuntimeError):
            # A live view replaces sys.stderr to print above itself; typer.echo would write past it.
            sys.stderr.write(f"alertdrill: {stopping}\n")

    with interrupts.cancelling(interrupt):
        return await main()


def _explain(group: BaseExceptionGroup[BaseException]) -> int:
    """Print each expected error as a line and return the exit code; a bug is raised again."""
    from alertdrill.agent.errors import ConfigError, ServiceUnavailable, leaves
    from alertdrill.agent.history.connection import HistoryUnavailable
    from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed, LedgerRefused
    from alertdrill.lab.errors import LabError
    from alertdrill.probes.load.workers import WorkersDied
    from alertdrill.units.extras import LibraryMissing

    of_faults = (FaultNotApplied, FaultNotHealed, LedgerRefused)
    known = (ConfigError, ServiceUnavailable, HistoryUnavailable, *of_faults, LabError, WorkersDied, LibraryMissing)
    matched, rest = group.split(known)
    if rest is not None or matched is None:
        raise group
    codes = [USAGE]
    for error in leaves(matched):
        for line in str(error).splitlines():
            typer.echo(f"alertdrill: {line}", err=True)
        codes.append(NOT_HEALED if isinstance(error, FaultNotHealed) else USAGE)
    return worst(codes)
