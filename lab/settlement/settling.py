"""From Kafka to the payments table: read a batch, mark its payments settled, commit the offsets.

In this order no payment is lost; a batch that is read twice changes nothing the second time.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from alertdrill.lab.engine.outbox import METADATA_MS, TOPIC
from alertdrill.lab.settlement.metrics import SettlementMetrics

_log = logging.getLogger(__name__)

GROUP = "settlement"
_BATCH = 1000
_POLL_MS = 1000
_STATEMENT_SECONDS = 30.0
_RETRY_SECONDS = 1.0
_SETTLE = """
UPDATE payments SET settled_at = clock_timestamp() WHERE id = ANY($1::uuid[]) AND settled_at IS NULL
RETURNING extract(epoch FROM settled_at - booked_at)::float
"""
_FAILURES = (KafkaError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class Settlement:
    """A member of the consumer group `settlement`."""

    def __init__(self, kafka: str, postgres_url: str, metrics: SettlementMetrics) -> None:
        self._kafka = kafka
        self._postgres_url = postgres_url
        self._metrics = metrics

    async def run(self) -> None:
        """Settle until cancelled; when PostgreSQL or Kafka fails, start again from the last commit."""
        while True:
            try:
                await self._settle_until_failure()
            except _FAILURES as error:
                self._metrics.failures.inc()
                _log.warning("nothing can be settled: %r", error)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _settle_until_failure(self) -> None:
        consumer = AIOKafkaConsumer(
            TOPIC,
            bootstrap_servers=self._kafka,
            group_id=GROUP,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=_BATCH,
            metadata_max_age_ms=METADATA_MS,
        )
        connection = await asyncpg.connect(self._postgres_url, timeout=_STATEMENT_SECONDS)
        try:
            await consumer.start()
            while True:
                batches = await consumer.getmany(timeout_ms=_POLL_MS)
                if batches:
                    await self._settle(connection, (one.value for batch in batches.values() for one in batch))
                    await consumer.commit()
        finally:
            await consumer.stop()
            connection.terminate()

    async def _settle(self, connection: Any, messages: Iterable[bytes]) -> None:  # noqa: ANN401 - asyncpg has no types
        ids = [one for message in messages if (one := self._transaction_id(message)) is not None]
        rows = await connection.fetch(_SETTLE, ids, timeout=_STATEMENT_SECONDS)
        self._metrics.settled.inc(len(rows))
        self._metrics.repeated.inc(len(ids) - len(rows))
        for row in rows:
            self._metrics.delay.observe(max(0.0, row[0]))

    def _transaction_id(self, message: bytes) -> UUID | None:
        try:
            return UUID(json.loads(message)["transactionId"])
        except (ValueError, KeyError, TypeError, AttributeError):
            _log.warning("not a payment: %r", message[:200])
            self._metrics.unreadable.inc()
            return None
