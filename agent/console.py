"""Standard output for people, who may leave before the end."""

from __future__ import annotations

import contextlib

from rich.console import Console


class LastingConsole(Console):
    """A console that falls silent when its reader goes away, as `head` does: what runs goes on to its end."""

    def on_broken_pipe(self) -> None:
        """Print nothing from now on."""
        # Rich silences itself, and would then end the process.
        with contextlib.suppress(SystemExit):
            super().on_broken_pipe()
