"""`python -m alertdrill.chaos.toxiproxy.embedded`: runs until SIGINT or SIGTERM, with the flags of `toxiproxy-server`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from alertdrill.chaos.toxiproxy.embedded import VERSION
from alertdrill.chaos.toxiproxy.embedded.server import ServerOptions, run

_TRUE = {"1", "t", "T", "true", "TRUE", "True"}
_FALSE = {"0", "f", "F", "false", "FALSE", "False"}


def main() -> int:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m alertdrill.chaos.toxiproxy.embedded", description=__doc__, allow_abbrev=False
    )
    switch: dict[str, Any] = {"nargs": "?", "type": _flag, "const": True, "default": False, "metavar": "true|false"}
    parser.add_argument("-host", "--host", default="127.0.0.1")
    parser.add_argument("-port", "--port", type=int, default=8474)
    parser.add_argument("-config", "--config", type=Path, metavar="FILE", help="JSON list of proxies")
    parser.add_argument("-proxy-metrics", "--proxy-metrics", help="serve /metrics with the bytes of proxies", **switch)
    parser.add_argument("-runtime-metrics", "--runtime-metrics", help="serve /metrics with the process's", **switch)
    parser.add_argument("-seed", "--seed", type=int, help="has no effect, as in the real server")
    parser.add_argument(
        "-version", "--version", action="version", version=f"toxiproxy-server version {VERSION}", help="print it"
    )
    options = vars(parser.parse_args())
    del options["seed"]
    return run(ServerOptions(**options))


def _flag(text: str) -> bool:
    if text not in _TRUE | _FALSE:
        raise argparse.ArgumentTypeError("expected true or false")
    return text in _TRUE


if __name__ == "__main__":
    sys.exit(main())
