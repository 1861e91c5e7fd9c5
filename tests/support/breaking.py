"""Faults as a drill file holds them, and an agent that is killed while one is in force."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from alertdrill.chaos.cluster_access import Kubernetes
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.machine.processes import RunningProcess, with_command
from alertdrill.chaos.registry import fault_class
from alertdrill.chaos.safety.healing import abandoned, heal_all
from alertdrill.chaos.safety.ledger import Ledger

NOWHERE = "http://127.0.0.1:1"

_AGENT = """
import asyncio, json, os, sys, threading
from pathlib import Path
from tests.support.breaking import fault, endpoints
from contextlib import nullcontext
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.lease import leased
from alertdrill.chaos.safety.ledger import Ledger

# It does not outlive the tests.
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()

async def main():
    settings, options, ledger, watched = json.loads(sys.argv[1])
    kept = Ledger(Path(ledger))
    broken = fault(**settings)
    watching = leased(kept, print, [broken]) if watched else nullcontext()
    async with watching, applied(broken, endpoints(**options), kept):
        print("in force", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def fault(**settings: Any) -> Fault:
    """Read a fault as a drill file holds it."""
    return fault_class(settings["kind"]).model_validate(settings)


def endpoints(
    *,
    addresses: dict[str, str] | None = None,
    allowed: list[str] | None = None,
    toxiproxy_url: str = NOWHERE,
    kubernetes: dict[str, Any] | None = None,
) -> Endpoints:
    """Return the endpoints for faults."""
    return Endpoints(
        toxiproxy_url=toxiproxy_url,
        addresses=addresses or {},
        allowed=frozenset(allowed or ()),
        kubernetes=None if kubernetes is None else Kubernetes.model_validate(kubernetes),
    )


def holders(module: str) -> list[RunningProcess]:
    """List the processes that hold a fault for this worker; other workers, and other checkouts, have their own."""
    folder = str(Path(sys.executable).parent)
    found = with_command(lambda command: module in command and command[0].startswith(folder))
    return [one for one in found if _of_worker(one.pid) == os.environ.get("PYTEST_XDIST_WORKER")]


def _of_worker(pid: int) -> str | None:
    """Return the worker of pytest-xdist whose process, or whose program, started another; None without one."""
    with contextlib.suppress(OSError):
        variables = Path(f"/proc/{pid}/environ").read_text(errors="replace").split("\0")
        return dict(one.split("=", 1) for one in variables if "=" in one).get("PYTEST_XDIST_WORKER")
    return None


def start_agent(
    ledger: Path, settings: dict[str, Any], *, watched: bool = False, **options: Any
) -> subprocess.Popen[bytes]:
    """Start an agent in its own process, with a watchdog if requested; it prints `in force` when the fault is."""
    return subprocess.Popen(
        [sys.executable, "-c", _AGENT, json.dumps([settings, options, str(ledger), watched])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )


class KilledAgent:
    """An agent in its own process, with a watchdog if requested, that keeps a fault in force until it is killed."""

    def __init__(self, ledger: Path, settings: dict[str, Any], *, watched: bool = False, **options: Any) -> None:
        self.ledger = Ledger(ledger)
        self._process = start_agent(ledger, settings, watched=watched, **options)
        assert self._process.stdout is not None
        with self._process.stdout as output:
            assert output.readline() == b"in force\n"

    @classmethod
    async def in_a_thread(cls, ledger: Path, settings: dict[str, Any], **options: Any) -> KilledAgent:
        """Start it in a thread: the event loop must go on, because it runs the server that the fault breaks."""
        return await asyncio.to_thread(cls, ledger, settings, **options)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def kill(self) -> None:
        """Kill it with SIGKILL, so that it cleans up nothing."""
        self._process.kill()
        self._process.wait()

    async def heal(self, *, force: bool = False) -> None:
        """Undo its faults, as `alertdrill heal` does."""
        left = abandoned(self.ledger.read(), force=force)
        assert left
        assert [one.problem async for one in heal_all(self.ledger, left)] == [""] * len(left)
        # A living owner may still inject the fault, so the entry stays.
        assert self.ledger.read().lapsed == (left.keys() if force else set())
