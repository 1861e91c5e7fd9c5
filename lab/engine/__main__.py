"""`python -m lab.engine`: the payment engine in a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import signal

import redis.asyncio as redis
import uvloop
from aiohttp import web

from lab.engine.app import Engine
from lab.engine.cache import Cache
from lab.engine.database import connected, create_tables
from lab.engine.metrics import Metrics


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab.engine", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--postgres-url", required=True)
    parser.add_argument("--redis-url", required=True)
    parser.add_argument("--token", default="test-token")
    parser.add_argument("--pool-size", type=int, default=500)
    parser.add_argument("--queue-limit", type=int, default=5000)
    parser.add_argument("--create-tables", action="store_true", help="in an empty database")
    return parser.parse_args()


async def _main(options: argparse.Namespace) -> None:
    if options.create_tables:
        await create_tables(options.postgres_url)
    client = redis.Redis.from_url(options.redis_url, socket_timeout=5, socket_connect_timeout=5)
    async with client, connected(options.postgres_url, options.pool_size, options.queue_limit) as database:
        cache = Cache(client)
        await cache.remember_accounts(await database.account_ids())
        engine = Engine(database, cache, Metrics(database, cache), options.token)
        runner = web.AppRunner(engine.application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", options.port, backlog=1024).start()
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        await ended.wait()
        await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(_main(_arguments()))
