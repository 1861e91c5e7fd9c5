"""`python -m alertdrill.lab.engine --listen 127.0.0.1:8080 --postgres-url … --redis-url …`: runs until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import gc
import resource

import uvloop
from aiohttp import web

from alertdrill.lab.engine import readings
from alertdrill.lab.engine.cache import Cache
from alertdrill.lab.engine.memory_chaos import MemoryChaos
from alertdrill.lab.engine.metrics import EngineMetrics
from alertdrill.lab.engine.outbox import Outbox
from alertdrill.lab.engine.service import Service
from alertdrill.lab.engine.store import Store
from alertdrill.lab.serving import until_signal

_MIB = 2**20


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m alertdrill.lab.engine", description="The lab's payment engine.")
    parser.add_argument("--listen", default="127.0.0.1:8080", metavar="HOST:PORT")
    parser.add_argument("--postgres-url", required=True, help="The password may be in PGPASSWORD.")
    parser.add_argument("--redis-url", required=True)
    parser.add_argument("--pool-size", type=int, default=500)
    parser.add_argument("--queue-limit", type=int, default=5000)
    parser.add_argument("--memory-limit-mib", type=int, default=512)
    parser.add_argument("--token", default="test-token")
    parser.add_argument("--kafka", metavar="HOST:PORT", help="Publish booked payments there.")
    parser.add_argument("--chaos-endpoints", action="store_true", help="Serve /actuator/memory, which takes memory.")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(parser.parse_args()))


async def _serve(options: argparse.Namespace) -> None:
    _allow_many_connections()
    metrics = EngineMetrics()
    store = await Store.open(
        options.postgres_url,
        options.pool_size,
        options.queue_limit,
        metrics.processing_time.observe,
        expects_settlement=bool(options.kafka),
    )
    cache = Cache(options.redis_url, metrics.cache_time.observe)
    cache.remember_accounts(await store.all_accounts())
    allowed_bytes = options.memory_limit_mib * _MIB
    readings.publish(metrics, store, cache, allowed_bytes)
    outbox = None
    if options.kafka:
        outbox = Outbox(options.kafka, store.unsettled)
        readings.publish_outbox(metrics, outbox)
    service = Service(store, cache, metrics, options.token, outbox)
    application = service.application()
    if options.chaos_endpoints:
        MemoryChaos(service, allowed_bytes).add_to(application)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    host, _, port = options.listen.rpartition(":")
    await web.TCPSite(runner, host, int(port), backlog=4096, shutdown_timeout=0.5).start()
    # Objects made so far live as long as the process: the garbage collector need not visit them again.
    gc.freeze()
    # A full collection takes half a second while thousands of payments wait, and the engine would seem to be down. So
    # it runs a thousand times less often than by default; young objects are collected as usual.
    gc.set_threshold(700, 10, 10_000)
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(part.run()) for part in (cache, outbox) if part is not None]
        await until_signal()
        await runner.cleanup()
        for task in running:
            task.cancel()
    await cache.close()
    store.close()


def _allow_many_connections() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
