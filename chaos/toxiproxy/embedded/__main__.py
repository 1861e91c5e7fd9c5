"""`python -m alertdrill.chaos.toxiproxy.embedded`: runs until SIGINT or SIGTERM, with the flags of `toxiproxy-server`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from alertdrill.chaos.toxiproxy.embedded.server import ServerOptions, run


def main() -> int:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m alertdrill.chaos.toxiproxy.embedded", description=__doc__)
    parser.add_argument("-host", "--host", default="127.0.0.1")
    parser.add_argument("-port", "--port", type=int, default=8474)
    parser.add_argument("-config", "--config", type=Path, metavar="FILE", help="JSON list of proxies")
    parser.add_argument("-proxy-metrics", "--proxy-metrics", action="store_true", help="serve /metrics")
    return run(ServerOptions(**vars(parser.parse_args())))


if __name__ == "__main__":
    sys.exit(main())
