"""`python -m chaos.toxiproxy.embedded`: runs until SIGINT or SIGTERM, with the flags of `toxiproxy-server`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from chaos.toxiproxy.embedded.errors import ServerNotStarted
from chaos.toxiproxy.embedded.server import Options, serve


def main() -> int:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m chaos.toxiproxy.embedded", description=__doc__)
    parser.add_argument("-host", "--host", default="127.0.0.1")
    parser.add_argument("-port", "--port", type=int, default=8474)
    parser.add_argument("-config", "--config", type=Path, metavar="FILE", help="JSON list of proxies")
    parser.add_argument("-proxy-metrics", "--proxy-metrics", action="store_true", help="serve /metrics")
    return run(Options(**vars(parser.parse_args())))


def run(options: Options) -> int:
    """Serve until SIGINT or SIGTERM; gives the exit code."""
    code = 0
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve_until_told(options))
    except* ServerNotStarted as group:
        sys.stderr.write(f"toxiproxy: {group.exceptions[0]}\n")
        code = 2
    return code


async def _serve_until_told(options: Options) -> None:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    await serve(options, told)


if __name__ == "__main__":
    sys.exit(main())
