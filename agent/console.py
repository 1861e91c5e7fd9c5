"""Standard output for people: lines, and a live view."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text


class LastingConsole(Console):
    """A console that prints nothing more when its reader ends, as `head` does; the program goes on to its end."""

    def on_broken_pipe(self) -> None:
        """Print nothing from now on."""
        # Rich stops printing, but then ends the process.
        with contextlib.suppress(SystemExit):
            super().on_broken_pipe()


# Wider than any row: a name that is cut cannot be copied, and a wrapped `file:line` cannot be clicked.
_WIDTH_OF_A_PIPE = 100_000


def widened(console: Console) -> Console:
    """Let nothing be wrapped or cut where the output is not a terminal: a file or a pipe has no width."""
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH_OF_A_PIPE)
    return console


_DRAWN_EACH_SECOND = 4
_LINE_EVERY_SECONDS = 5.0


class ConsoleLines:
    """One line for each event, with the seconds since the start."""

    def __init__(self, console: Console, *, is_quiet: bool = False) -> None:
        self._console = console
        self._is_quiet = is_quiet
        self._start = time.monotonic()

    def warn(self, text: str) -> None:
        """Print a warning: a quiet command prints it to standard error."""
        if self._is_quiet:
            Console(stderr=True, highlight=False).print(Text(f"alertdrill: {text}"), soft_wrap=True)
        self.tell(text)

    def tell(self, text: str) -> None:
        """Print an event."""
        if self._is_quiet:
            return
        self._console.print(Text(f"{time.monotonic() - self._start:6.1f} s  {text}"), soft_wrap=True)


@asynccontextmanager
async def showing(
    console: Console, view: Callable[[], RenderableType], line: Callable[[], str], tell: Callable[[str], None]
) -> AsyncIterator[None]:
    """Show a view for the length of the block; where nothing can be redrawn, print a line every five seconds.

    The view is drawn by a thread without a loop. An empty line is not printed.
    """
    if console.is_interactive:
        with Live(get_renderable=view, console=console, refresh_per_second=_DRAWN_EACH_SECOND, transient=True):
            yield
        return
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(_beat(line, tell))
        yield
        task.cancel()


async def _beat(line: Callable[[], str], tell: Callable[[str], None]) -> None:
    while True:
        await asyncio.sleep(_LINE_EVERY_SECONDS)
        if text := line():
            tell(text)
