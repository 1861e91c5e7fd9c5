"""What a person sees while a drill runs: a live view on a terminal, plain lines anywhere else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from agent.conductor import Progress

_COLOURS = {"pending": "yellow", "firing": "red"}


class Lines:
    """One line for each event, with the seconds since the start."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = time.monotonic()

    def tell(self, text: str) -> None:
        """Print an event."""
        self._console.print(Text(f"{time.monotonic() - self._start:6.1f} s  {text}"), soft_wrap=True)


@contextmanager
def watching(console: Console, progress: Callable[[], Progress | None]) -> Iterator[None]:
    """Show a drill's progress for the length of the block; nothing where there is no terminal."""
    if not console.is_terminal:
        yield
        return
    with Live(get_renderable=lambda: _view(progress()), console=console, refresh_per_second=4, transient=True):
        yield


def _view(progress: Progress | None) -> Group | Text:
    if progress is None or progress.phase is None:
        return Text("starting …", style="dim")
    # Drawn by a thread without a loop; uvloop and asyncio both count by the monotonic clock.
    now = time.monotonic()
    total = max(progress.phase_ends_by - progress.phase_started, 0.001)
    gone = min(now - progress.phase_started, total)
    head = Table.grid(padding=(0, 2))
    head.add_row(
        Text(progress.drill.name, style="bold"),
        Text(progress.phase, style="cyan"),
        ProgressBar(total=total, completed=gone, width=30),
        Text(f"at most {total - gone:.0f} s left"),
    )
    return Group(head, _load_line(progress), _alert_line(progress))


def _load_line(progress: Progress) -> Text:
    tally = progress.tally
    last = tally.seconds[-1] if tally.seconds else None
    if last is None:
        return Text("load begins")
    p95 = f"{last.p95_seconds * 1000:.0f} ms" if last.p95_seconds is not None else "-"
    return Text(
        f"{last.due} transactions/s   p95 {p95}   in flight {last.in_flight}"
        f"   failed {tally.failed}   dropped {tally.dropped}"
    )


def _alert_line(progress: Progress) -> Text:
    line = Text()
    names = sorted({expectation.alert for expectation in progress.drill.expect} | set(progress.states))
    for name in names:
        state = progress.states.get(name, "inactive")
        line.append(f"{name} ")
        line.append(f"{state}   ", style=_COLOURS.get(state, "dim"))
    return line


@asynccontextmanager
async def heartbeat(
    console: Console, progress: Callable[[], Progress | None], tell: Callable[[str], None]
) -> AsyncIterator[None]:
    """Tell every five seconds how the load does, where there is no terminal to show it live."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(5.0)
            current = progress()
            if current is not None and current.tally.seconds:
                tell(_load_line(current).plain)

    if console.is_terminal:
        yield
        return
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(beat())
        yield
        task.cancel()
