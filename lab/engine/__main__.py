"""`python -m lab.engine --listen 127.0.0.1:8080 --postgres-url … --redis-url …`: runs until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import gc
import resource
import signal

import uvloop
from aiohttp import web

from lab.engine.cache import Cache
from lab.engine.metrics import Metrics, memory_percent
from lab.engine.service import Service
from lab.engine.store import Store

_MIB = 2**20


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m lab.engine", description="The lab's payment engine.")
    parser.add_argument("--listen", default="127.0.0.1:8080", metavar="HOST:PORT")
    parser.add_argument("--postgres-url", required=True, help="The password may be in PGPASSWORD.")
    parser.add_argument("--redis-url", required=True)
    parser.add_argument("--pool-size", type=int, default=500)
    parser.add_argument("--queue-limit", type=int, default=5000)
    parser.add_argument("--memory-limit-mib", type=int, default=512)
    parser.add_argument("--token", default="test-token")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(parser.parse_args()))


async def _serve(options: argparse.Namespace) -> None:
    _allow_many_connections()
    store = await Store.open(options.postgres_url, options.pool_size, options.queue_limit)
    cache = Cache(options.redis_url)
    await cache.remember_accounts(await store.all_accounts())
    metrics = _metrics(store, cache, options.memory_limit_mib * _MIB)
    runner = web.AppRunner(Service(store, cache, metrics, options.token).application(), access_log=None)
    await runner.setup()
    host, _, port = options.listen.rpartition(":")
    await web.TCPSite(runner, host, int(port), backlog=4096, shutdown_timeout=0.5).start()
    # What is here stays: collecting it again and again would hold up answers.
    gc.freeze()
    await _until_told()
    await runner.cleanup()
    await cache.close()
    store.close()


def _metrics(store: Store, cache: Cache, allowed_bytes: int) -> Metrics:
    metrics = Metrics()
    metrics.gauge("resources_database_connections", "Database connections in use.", lambda: store.in_use)
    metrics.gauge("resources_memory_usage", "Percent of the allowed memory.", lambda: memory_percent(allowed_bytes))
    metrics.gauge("resources_cache_hit_rate", "Percent of account look-ups.", lambda: cache.hit_rate_percent)
    metrics.gauge("transactions_queued", "Transactions that wait for a connection.", lambda: store.queued)
    return metrics


def _allow_many_connections() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _until_told() -> None:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    await told.wait()


if __name__ == "__main__":
    main()
