"""A server for the clients; its process and folder are removed when the benchmark ends or is killed."""

from __future__ import annotations

import asyncio
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alertdrill.lab.ports import free_ports
from alertdrill.lab.server import Server, Spec
from benchmarks.errors import BenchmarkError

ROOT = Path(__file__).parents[1]
_REAPED_WITHIN_SECONDS = 60.0


@dataclass(frozen=True)
class Target:
    """A running server: its URL without a path, and a folder for the files of a run."""

    url: str
    directory: Path


@contextmanager
def running(describe: Callable[[Path, int], Spec]) -> Iterator[Target]:
    """Run a server during the block; `describe` gets a folder and a free loopback port.

    Raises LabError when the server does not start.
    """
    _allow_many_files()
    directory = Path(tempfile.mkdtemp(prefix="alertdrill-bench-")).resolve()
    reaper = _start_reaper(directory)
    try:
        server = Server(describe(directory, free_ports(1)[0]), directory, find("setpriv", "util-linux"))
        try:
            asyncio.run(server.wait_ready())
            yield Target(f"http://{server.address}", directory)
        finally:
            asyncio.run(server.stop())
    finally:
        assert reaper.stdin is not None  # noqa: S101 - it was started with a pipe
        reaper.stdin.close()
        reaper.wait(_REAPED_WITHIN_SECONDS)


def find(program: str, package: str) -> Path:
    """Find a program, also in /usr/sbin and /sbin; raises BenchmarkError with the Debian package to install."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if found is None:
        raise BenchmarkError(f"{program} is missing, install it: apt-get install {package}")
    return Path(found)


def _allow_many_files() -> None:
    """Raise the limit of open files for servers and clients: thousands of connections may be open at once."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _start_reaper(directory: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "alertdrill.lab.reaper", str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=ROOT,
    )
