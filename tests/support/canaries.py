"""Marked secrets, and where they are looked for: what a command prints and writes, and all command lines."""

from __future__ import annotations

import asyncio
import base64
import gzip
import os
import re
import signal
import sys
import threading
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tests.support.processes import command_line

ROOT = Path(__file__).parents[2]
_YOUNG_LOOKS = 50


class Canaries:
    """Makes secrets, and finds them again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[str] = []
        self.variables: dict[str, str] = {}

    def text(self) -> str:
        self.made.append(f"CANARY{len(self.made):02}VALUE")
        return self.made[-1]

    def file(self) -> str:
        path = self.folder / "secrets" / f"secret-{len(self.made)}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{self.text()}\n")
        return f"secrets/{path.name}"

    def variable(self) -> str:
        name = f"CANARY_OF_TEST_{len(self.made)}"
        self.variables[name] = self.text()
        return name

    def seen_in(self, text: str) -> list[str]:
        """List the secrets of a text, also those in the encodings of basic authentication."""
        decoded = [_decoded(word) for word in re.findall(r"[A-Za-z0-9+/=]{16,}", text)]
        return [one for one in self.made if any(one in place for place in (text, *decoded))]


def _decoded(word: str) -> str:
    try:
        return base64.b64decode(word + "=" * (-len(word) % 4)).decode(errors="replace")
    except ValueError:
        return ""


@contextmanager
def process_list(every_seconds: float = 0.02) -> Iterator[set[str]]:
    """Collect every command line of the machine, again and again, for the length of the block.

    A process has its command line soon after its start. So an older one is read less often: a look at all of them, fifty
    times a second, would take most of a processor.
    """
    seen: set[str] = set()
    is_over = threading.Event()

    def look() -> None:
        looks: dict[str, int] = {}
        while not is_over.wait(every_seconds):
            looks = {pid: looks.get(pid, -1) + 1 for pid in os.listdir("/proc") if pid.isdecimal()}  # noqa: PTH208 - twice as fast
            for pid, count in looks.items():
                if count < _YOUNG_LOOKS or count % _YOUNG_LOOKS == 0:
                    seen.add(command_line(pid))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        is_over.set()
        looking.join()


async def run(canaries: Canaries, *command: str) -> str:
    """Run a command in the folder of the secrets, and return what it printed."""
    async with running(canaries, *command) as process, asyncio.timeout(600):
        printed, _ = await process.communicate()
    assert b"Traceback" not in printed
    return printed.decode()


@asynccontextmanager
async def running(canaries: Canaries, *command: str) -> AsyncIterator[Process]:
    """Run a command in the folder of the secrets for the length of the block, and interrupt it if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", *command),
        cwd=canaries.folder,
        env=os.environ | canaries.variables | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            await process.wait()


def written(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file that was written, as text."""
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            yield path, (gzip.decompress(content) if path.suffix == ".gz" else content).decode(errors="replace")
