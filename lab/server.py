"""A server process that ends with the lab.

`setpriv --pdeathsig` makes the kernel signal the server when the lab's process ends, for whatever reason. The server
has its own session: Ctrl-C in the terminal reaches only alertdrill, which undoes its faults before it stops servers.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import aiohttp

from alertdrill.lab.errors import LabError
from alertdrill.lab.programs import ends_with_this_process

_log = logging.getLogger(__name__)

# Many times the usual time, for busy machines. A server that fails to start usually ends at once, which is noticed.
_READY_WITHIN_SECONDS = 180.0
_STOP_WITHIN_SECONDS = 3.0


@dataclass(frozen=True)
class Spec:
    """How to start one server, and how to check that it is ready.

    `health` is a path that answers 200 when the server is ready. If empty, an accepted connection is enough.
    """

    name: str
    command: list[str]
    port: int
    health: str = ""
    stop_signal: signal.Signals = signal.SIGTERM
    # The kernel sends it when the lab's process ends. PostgreSQL needs a signal that lets it free its shared memory.
    death_signal: str = "KILL"
    user: str | None = None
    environment: dict[str, str] | None = None


class Server:
    """One running server of the lab."""

    def __init__(self, spec: Spec, directory: Path, setpriv: Path) -> None:
        self.spec = spec
        self._log = directory / f"{spec.name}.log"
        as_user = [] if spec.user is None else ["--reuid", spec.user, "--regid", spec.user, "--clear-groups"]
        command = [*ends_with_this_process(setpriv, spec.death_signal, *as_user), *spec.command]
        with self._log.open("ab") as log:
            # The signal follows the thread that forked, so this must run in the main thread.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=directory,
                env=os.environ | (spec.environment or {}),
            )
        with (directory / "pids").open("a") as pids:
            pids.write(f"{self.pid}\n")
        _write_pid(directory / f"{spec.name}.pid", self.pid)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def address(self) -> str:
        """Its address as HOST:PORT."""
        return f"127.0.0.1:{self.spec.port}"

    async def wait_ready(self) -> None:
        """Wait until it is ready; raises LabError with the end of its log if it ends or takes too long."""
        deadline = asyncio.get_running_loop().time() + _READY_WITHIN_SECONDS
        while not await self._answers():
            if self._process.poll() is not None:
                raise LabError(f"{self.spec.name} ended with {self._process.returncode}: {self._last_words()}")
            if asyncio.get_running_loop().time() > deadline:
                raise LabError(f"{self.spec.name} is not ready after {_READY_WITHIN_SECONDS:g} s: {self._last_words()}")
            await asyncio.sleep(0.05)

    async def ended(self) -> int:
        """Wait until it ends; returns its exit code."""
        while (code := self._process.poll()) is None:  # noqa: ASYNC110 - a process sets no event
            await asyncio.sleep(0.02)
        return code

    async def finished(self) -> None:
        """Wait until it ends successfully; raises LabError with the end of its log if it fails."""
        if await self.ended() != 0:
            raise LabError(f"{self.spec.name} ended with {self._process.returncode}: {self._last_words()}")

    def kill(self) -> None:
        """Kill it, like a crash."""
        self._process.kill()
        self._process.wait()

    async def stop(self) -> None:
        """Send its stop signal; kill it if it still runs after three seconds."""
        if self._process.poll() is not None:
            return
        self._process.send_signal(self.spec.stop_signal)
        deadline = asyncio.get_running_loop().time() + _STOP_WITHIN_SECONDS
        while self._process.poll() is None:
            if asyncio.get_running_loop().time() > deadline:
                self._process.kill()
                self._process.wait()
                return
            await asyncio.sleep(0.02)

    async def _answers(self) -> bool:
        try:
            if not self.spec.health:
                _, writer = await asyncio.open_connection("127.0.0.1", self.spec.port)
                writer.close()
                return True
            timeout = aiohttp.ClientTimeout(total=1.0)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"http://{self.address}{self.spec.health}") as response,
            ):
                return response.status == 200
        except (OSError, aiohttp.ClientError, TimeoutError):
            return False

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return " | ".join(lines[-5:]) or "its log is empty"


async def supervise(start: Callable[[], Server], first: Server, pause: Callable[[], timedelta]) -> None:
    """Start the server again after the pause each time it ends, until cancelled; as systemd does with Restart=always.

    The pause is systemd's `RestartSec`: long enough for Prometheus to see the server down.
    """
    server = first
    while True:
        code = await server.ended()
        _log.info("%s ended with %d and is started again", server.spec.name, code)
        await asyncio.sleep(pause().total_seconds())
        server = start()
        try:
            await server.wait_ready()
        except LabError as error:
            # A drill may have broken what it needs: it is started again until that is over.
            _log.info("%s", error)
            await server.stop()


def _write_pid(path: Path, pid: int) -> None:
    """Replace a pid file at once, so that a reader never finds half of it."""
    part = path.with_suffix(".part")
    part.write_text(f"{pid}\n", encoding="ascii")
    part.replace(path)
