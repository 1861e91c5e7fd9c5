"""`python -m alertdrill.lab.settlement --listen 127.0.0.1:8081 --postgres-url … --kafka …`: runs until SIGTERM.

It is a separate process, so a drill can stop it while payments continue; unsettled payments then show as consumer lag.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from alertdrill.lab.serving import serve_until_signal
from alertdrill.lab.settlement.metrics import SettlementMetrics
from alertdrill.lab.settlement.settling import Settlement


@asynccontextmanager
async def _application(options: argparse.Namespace) -> AsyncIterator[web.Application]:
    metrics = SettlementMetrics()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4"})

    application = web.Application()
    application.router.add_get("/metrics", answer)
    settlement = Settlement(options.kafka, options.postgres_url, metrics)
    async with asyncio.TaskGroup() as group:
        settling = group.create_task(settlement.run())
        yield application
        settling.cancel()


def main() -> None:
    """Read the command line and settle."""
    parser = argparse.ArgumentParser(prog="python -m alertdrill.lab.settlement", description="Settles booked payments.")
    parser.add_argument("--listen", default="127.0.0.1:8081", metavar="HOST:PORT")
    parser.add_argument("--postgres-url", required=True, help="The password may be in PGPASSWORD.")
    parser.add_argument("--kafka", required=True, metavar="HOST:PORT")
    options = parser.parse_args()
    serve_until_signal(_application(options), options.listen)


if __name__ == "__main__":
    main()
