"""Metrics that are read at each scrape: the connection pool, the cache, the process."""

from __future__ import annotations

import time

from alertdrill.lab.engine.cache import Cache
from alertdrill.lab.engine.metrics import EngineMetrics
from alertdrill.lab.engine.outbox import Outbox
from alertdrill.lab.engine.process import CpuUsage, InputOutput, resident_bytes
from alertdrill.lab.engine.store import Store
from alertdrill.lab.engine.tariff import HIGH_VALUE


def publish(metrics: EngineMetrics, store: Store, cache: Cache, allowed_bytes: int) -> None:
    """Register everything that is read at each scrape."""
    cpu, counted = CpuUsage(), InputOutput()
    metrics.gauges(
        {
            "transactions_queued": ("Transactions waiting for a connection.", lambda: store.queued),
            "transactions_high_value_threshold": (
                "The least amount of a high-value transaction.",
                lambda: float(HIGH_VALUE),
            ),
            "resources_database_connections": ("Database connections in use.", lambda: store.in_use),
            "resources_database_pool_size": ("Database connections, used or not.", lambda: store.pool_size),
            "resources_database_pool_waiting": ("Calls waiting for a connection.", lambda: store.queued),
            "resources_cache_hit_rate": ("Per cent of account look-ups.", lambda: cache.hit_rate_percent),
            "resources_cpu_usage": ("Per cent of the one core that the engine can use.", cpu.percent),
            "resources_memory_usage": (
                "Per cent of the allowed memory.",
                lambda: 100.0 * resident_bytes() / allowed_bytes,
            ),
            "resources_memory_bytes": ("Memory that the engine occupies.", resident_bytes),
            "resources_memory_limit_bytes": ("Memory that the engine may occupy.", lambda: allowed_bytes),
        }
    )
    metrics.counters(
        {
            "resources_cache_hits": ("Account look-ups that found one.", lambda: cache.hits),
            "resources_cache_misses": ("Account look-ups that found none.", lambda: cache.misses),
            "resources_cpu_seconds": ("CPU time, in user and kernel mode.", time.process_time),
            "resources_network_receive_bytes": ("Received from sockets.", counted.network_receive_bytes),
            "resources_network_transmit_bytes": ("Sent to sockets.", counted.network_transmit_bytes),
            "resources_disk_read_bytes": ("Read from the disk.", counted.disk_read_bytes),
            "resources_disk_write_bytes": ("Written to the disk.", counted.disk_write_bytes),
        }
    )


def publish_outbox(metrics: EngineMetrics, outbox: Outbox) -> None:
    """Register the outbox's metrics."""
    metrics.gauges({"outbox_messages": ("Messages that Kafka has not confirmed yet.", lambda: outbox.pending)})
    metrics.counters(
        {
            "outbox_published_messages": ("Messages that Kafka confirmed.", lambda: outbox.published),
            "outbox_overflowed_messages": (
                "Messages that did not fit and are published later.",
                lambda: outbox.overflowed,
            ),
            "outbox_failures": ("Attempts to publish that failed.", lambda: outbox.failures),
        }
    )
