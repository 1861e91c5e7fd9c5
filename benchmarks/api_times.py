"""Asks Toxiproxy's API again and again, each time on a new connection: `python -m benchmarks.api_times PORT REQUESTS`.

It is a process of its own, so that a busy client process does not delay it. It prints the seconds of each request as JSON.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
import time

from benchmarks.errors import BenchmarkError
from benchmarks.servers import ROOT

_PAUSE_SECONDS = 0.02


async def api_seconds(port: int, requests: int) -> list[float]:
    """Ask from another process; returns the seconds of each request."""
    command = [sys.executable, "-m", "benchmarks.api_times", str(port), str(requests)]
    asking = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    printed, _ = await asking.communicate()
    if asking.returncode != 0:
        raise BenchmarkError(f"the API on port {port} did not answer")
    seconds: list[float] = json.loads(printed)
    return seconds


def _ask(port: int) -> float:
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/proxies")
    connection.getresponse().read()
    connection.close()
    seconds = time.perf_counter() - started
    time.sleep(_PAUSE_SECONDS)
    return seconds


if __name__ == "__main__":
    print(json.dumps([_ask(int(sys.argv[1])) for _ in range(int(sys.argv[2]))]))  # noqa: T201 - for the other process
