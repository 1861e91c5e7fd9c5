"""`python -m alertdrill.lab.kafka.exporter --listen 127.0.0.1:9308 --kafka 127.0.0.1:9092`: runs until SIGTERM.

Serves /metrics under the names of kafka_exporter (github.com/danielqsj/kafka_exporter).
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry, generate_latest

from alertdrill.lab.kafka.cluster import KafkaCluster, read_cluster
from alertdrill.lab.kafka.families import ClusterMetrics
from alertdrill.lab.serving import serve_until_signal

_log = logging.getLogger(__name__)
_PATIENCE_SECONDS = 5.0


class KafkaExporter:
    """Reads the cluster at each scrape; if no broker answers, it reports a cluster without brokers."""

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._connected: tuple[AIOKafkaAdminClient, AIOKafkaConsumer] | None = None
        self._lock = asyncio.Lock()

    async def metrics(self, _: web.Request) -> web.Response:
        """Answer a scrape."""
        async with self._lock:  # a failed scrape closes the connections, which another scrape may be using
            cluster = await self._read()
        registry = CollectorRegistry()
        registry.register(ClusterMetrics(cluster))
        return web.Response(body=generate_latest(registry), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def close(self) -> None:
        """Close the connections."""
        if self._connected is not None:
            admin, consumer = self._connected
            self._connected = None
            await admin.close()
            await consumer.stop()

    async def _read(self) -> KafkaCluster:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await read_cluster(*(await self._clients()))
        except (KafkaError, OSError, TimeoutError) as error:
            _log.warning("the broker does not answer: %r", error)
            await self.close()
            return KafkaCluster()

    async def _clients(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        if self._connected is None:
            admin = AIOKafkaAdminClient(bootstrap_servers=self._servers)
            consumer = AIOKafkaConsumer(bootstrap_servers=self._servers)
            self._connected = (admin, consumer)
            await admin.start()
            await consumer.start()
        return self._connected


@asynccontextmanager
async def _application(servers: str) -> AsyncIterator[web.Application]:
    exporter = KafkaExporter(servers)
    application = web.Application()
    application.router.add_get("/metrics", exporter.metrics)
    yield application
    await exporter.close()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m alertdrill.lab.kafka.exporter", description="Kafka's metrics.")
    parser.add_argument("--listen", default="127.0.0.1:9308", metavar="HOST:PORT")
    parser.add_argument("--kafka", required=True, metavar="HOST:PORT")
    options = parser.parse_args()
    # aiokafka logs several lines for each failed attempt, and while the broker is down every scrape is one.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    serve_until_signal(_application(options.kafka), options.listen)


if __name__ == "__main__":
    main()
