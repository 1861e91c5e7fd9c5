"""A terminal shows a view that is redrawn; other outputs get a line every five seconds."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable

import pytest
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from alertdrill.agent.console import ConsoleLines, showing, widened
from tests.support.virtual_time import in_virtual_time


def _shown(console: Console, line: Callable[[], str], seconds: float) -> list[str]:
    said: list[str] = []

    async def main() -> None:
        async with showing(console, lambda: Text("the view"), line, said.append):
            await asyncio.sleep(seconds)

    in_virtual_time(main)
    return said


@pytest.mark.parametrize(
    "console",
    [Console(file=io.StringIO()), Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})],
)
def test_a_pipe_and_a_dumb_terminal_get_lines(console: Console) -> None:
    assert _shown(console, lambda: "12 of 12/s", 16) == ["12 of 12/s"] * 3
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == ""


def test_an_empty_line_is_not_printed() -> None:
    assert _shown(Console(file=io.StringIO()), str, 16) == []


def test_the_view_is_erased_at_the_end() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=60, _environ={"TERM": "xterm"})
    assert _shown(console, lambda: "12 of 12/s", 16) == []
    text = out.getvalue()
    assert "the view" in text
    # The cursor goes up a line, which is erased.
    assert text.endswith("\x1b[1A\x1b[2K")


def test_quiet_lines_print_only_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    lines = ConsoleLines(Console(file=out), is_quiet=True)
    lines.tell("lab: 8 servers are ready")
    lines.warn("worker 1 of 2 died")
    assert out.getvalue() == ""
    assert capsys.readouterr().err == "alertdrill: worker 1 of 2 died\n"


def test_a_warning_is_a_line_among_the_others() -> None:
    out = io.StringIO()
    ConsoleLines(Console(file=out)).warn("worker 1 of 2 died")
    assert out.getvalue() == "   0.0 s  worker 1 of 2 died\n"


def test_a_pipe_gets_whole_rows_without_spaces_at_their_ends() -> None:
    """A name that is cut cannot be copied, and a `file:line` that is wrapped cannot be clicked."""
    name = "a-very-long-name-of-a-drill" * 20
    table = Table("drill", box=None, pad_edge=False)
    table.add_row(name)
    out = io.StringIO()
    console = widened(Console(file=out, width=80))
    console.print(table)
    console.print(Padding.indent(Text(f"rules/{name}.yml:12: never fires"), 2))
    assert out.getvalue().splitlines()[1:] == [name, f"  rules/{name}.yml:12: never fires"]


def test_a_terminal_keeps_its_width() -> None:
    assert widened(Console(file=io.StringIO(), width=60, force_terminal=True)).width == 60
