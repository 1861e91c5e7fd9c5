"""The optional parts of a lab: Kafka with the settlement, and several engines behind a load balancer."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from alertdrill.lab.errors import LabError
from alertdrill.lab.kafka.broker import find_jars
from alertdrill.lab.parts import LabParts
from alertdrill.lab.stack import Lab
from tests.support.engine_client import Client, values
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
GROUP_LAG = 'kafka_consumergroup_lag_sum{consumergroup="settlement",topic="transactions"}'
ENGINES = ("payment-engine-1", "payment-engine-2")


@pytest_asyncio.fixture(scope="module")
async def lab() -> AsyncIterator[Lab]:
    try:
        find_jars()
    except LabError as error:
        pytest.skip(str(error))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALERTDRILL_LAB_CONNECTIONS", "40")
        async with Lab(CONFIGS, 30.0, parts=LabParts(kafka=True, replicas=2)) as started:
            yield started


@pytest_asyncio.fixture
async def client(lab: Lab) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, lab)


@pytest_asyncio.fixture
async def database(lab: Lab) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(lab.postgres_url)
    yield connection
    await connection.close()


async def _paid(client: Client, count: int) -> list[str]:
    answers = await asyncio.gather(*(client.pay(amount=1) for _ in range(count)))
    assert {status for status, _ in answers} == {201}
    return [answer["transactionId"] for _, answer in answers]


async def _until_settled(database: Any, ids: list[str], seconds: float = 300.0) -> None:
    query = "SELECT count(settled_at) FROM payments WHERE id = ANY($1::uuid[])"

    async def are_settled() -> bool:
        return int(await database.fetchval(query, ids)) == len(ids)

    await until(are_settled, f"{len(ids)} payments are settled", seconds)


async def _publish(lab: Lab, message: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=lab.addresses["kafka:9092"]) as producer:
        await producer.send_and_wait("transactions", message)


async def _lag(client: Client) -> float | None:
    """Return how many messages the settlement is behind; None while the exporter does not reach the broker."""
    return (await client.values("kafka-exporter:9308")).get(GROUP_LAG)


async def _pending(client: Client, lab: Lab) -> float:
    """Return the number of messages in the outboxes of all engines."""
    texts = [await client.metrics_at(lab.servers[name].address) for name in ENGINES]
    return sum(values(text)["payment_engine_outbox_messages"] for text in texts)


async def _targets(lab: Lab) -> list[dict[str, Any]]:
    """Return the targets of Prometheus without the agent's own, which is up only while an agent runs."""
    url = f"http://{lab.addresses['prometheus:9090']}/api/v1/targets"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        targets = (await response.json())["data"]["activeTargets"]
    return [target for target in targets if target["labels"]["job"] != "alertdrill"]


async def test_every_booked_payment_is_settled(client: Client, database: Any) -> None:
    await _until_settled(database, await _paid(client, 40))


async def test_every_target_is_scraped_and_each_engine_separately(lab: Lab) -> None:
    jobs = sorted(target["labels"]["job"] for target in await _targets(lab))
    assert jobs == [
        "kafka",
        "load-balancer",
        "payment-engine",
        "payment-engine",
        "postgres",
        "redis",
        "settlement",
    ]

    # A scrape has less than a second here, so on a busy machine any of them may just have failed.
    async def are_up() -> bool:
        return {target["health"] for target in await _targets(lab)} == {"up"}

    await until(are_up, "every target is up")


async def test_the_exporter_reports_brokers_partitions_and_groups(client: Client, database: Any) -> None:
    await _until_settled(database, await _paid(client, 10))

    found: dict[str, float] = {}

    # A settlement that did not run for a while leaves the group and comes back.
    async def is_member() -> bool:
        found.update(await client.values("kafka-exporter:9308"))
        return found["kafka_brokers"] == found.get('kafka_consumergroup_members{consumergroup="settlement"}') == 1

    await until(is_member, "the settlement is the only member of its group")
    assert found['kafka_topic_partitions{topic="transactions"}'] == 3
    offsets = [found[f'kafka_topic_partition_current_offset{{partition="{n}",topic="transactions"}}'] for n in range(3)]
    done = 'kafka_consumergroup_current_offset_sum{consumergroup="settlement",topic="transactions"}'
    assert sum(offsets) >= 10
    assert found[done] + found[GROUP_LAG] == sum(offsets)


async def test_the_lab_page_lists_every_metric_and_no_other(client: Client, database: Any) -> None:
    await _until_settled(database, await _paid(client, 1))
    assert (await client.pay(amount=0))[0] == 400
    services = ("payment-engine:8080", "settlement:8081", "kafka-exporter:9308")
    text = "".join([await client.metrics(service) for service in services])
    shown = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
    page = (ROOT / "docs/lab.md").read_text()
    assert shown == set(re.findall(r"^\| `((?:payment_engine|kafka)_\w+)` \|", page, re.MULTILINE))


async def test_a_repeated_message_settles_once(client: Client, database: Any, lab: Lab) -> None:
    (paid,) = await _paid(client, 1)
    await _until_settled(database, [paid])
    query = "SELECT settled_at FROM payments WHERE id = $1::uuid"
    first = await database.fetchval(query, paid)
    before = (await client.values("settlement:8081"))["payment_engine_settlement_repeated_total"]
    await _publish(lab, f'{{"transactionId": "{paid}"}}'.encode())

    async def is_seen() -> bool:
        return (await client.values("settlement:8081"))["payment_engine_settlement_repeated_total"] > before

    await until(is_seen, "the second message is read")
    assert await database.fetchval(query, paid) == first


@pytest.mark.parametrize("message", [b"\xff", b"[]", b'{"transactionId": 7}', b'{"amount": 1}'])
async def test_a_message_that_is_not_a_payment_does_not_block_the_others(
    client: Client, database: Any, lab: Lab, message: bytes
) -> None:
    before = (await client.values("settlement:8081"))["payment_engine_settlement_unreadable_total"]
    await _publish(lab, message)
    await _until_settled(database, await _paid(client, 3))

    async def is_counted() -> bool:
        return (await client.values("settlement:8081"))["payment_engine_settlement_unreadable_total"] == before + 1

    await until(is_counted, "the message is counted")


async def test_a_paused_settlement_shows_as_lag_until_it_continues(client: Client, database: Any, lab: Lab) -> None:
    await _until_settled(database, await _paid(client, 3))

    async def is_level() -> bool:
        return await _lag(client) == 0

    # A settled payment's offset is committed a little later: stopped before that, it would count as behind for ever.
    await until(is_level, "every offset is committed")
    pid = int((lab.directory / "settlement.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        paid = await _paid(client, 25)

        async def lags() -> bool:
            return await _lag(client) == 25

        await until(lags, "25 messages are behind")
    finally:
        os.kill(pid, signal.SIGCONT)
    await _until_settled(database, paid)
    await until(is_level, "no message is behind")


async def test_without_a_broker_payments_succeed_and_their_messages_wait(
    client: Client, database: Any, lab: Lab
) -> None:
    async def is_published() -> bool:
        return await _pending(client, lab) == 0

    # A message may be settled before the engine knows that it was published.
    await until(is_published, "the messages of earlier tests are published")
    await client.enable("kafka", enabled=False)
    try:
        paid = await _paid(client, 20)
        assert await _pending(client, lab) == 20
    finally:
        await client.enable("kafka", enabled=True)
    await _until_settled(database, paid)


async def test_unpublished_payments_of_a_killed_engine_are_published_by_the_next(
    client: Client, database: Any, lab: Lab
) -> None:
    await client.enable("kafka", enabled=False)
    try:
        paid = await _paid(client, 20)
        for name in ENGINES:
            os.kill(int((lab.directory / f"{name}.pid").read_text()), signal.SIGKILL)
    finally:
        await client.enable("kafka", enabled=True)
    await _until_settled(database, paid)


async def test_a_killed_broker_is_not_counted_until_it_is_back(client: Client, database: Any, lab: Lab) -> None:
    os.kill(int((lab.directory / "kafka.pid").read_text()), signal.SIGKILL)

    async def brokers() -> float:
        return (await client.values("kafka-exporter:9308"))["kafka_brokers"]

    async def are_none() -> bool:
        return await brokers() == 0

    async def is_one() -> bool:
        return await brokers() == 1

    await until(are_none, "the broker is gone")
    await until(is_one, "the broker is back", seconds=300)
    await _until_settled(database, await _paid(client, 5))


async def test_payments_continue_after_an_engine_is_killed_and_the_balancer_reports_it(
    client: Client, lab: Lab
) -> None:
    await until(lambda: _are_up(client, 2), "both engines are in use")
    os.kill(int((lab.directory / "payment-engine-1.pid").read_text()), signal.SIGKILL)
    await until(lambda: _are_up(client, 1), "the balancer saw it")
    await _paid(client, 20)
    await until(lambda: _are_up(client, 2), "both engines are in use again")


async def _are_up(client: Client, count: int) -> bool:
    found = await client.values("load-balancer:8404")
    state = 'haproxy_server_status{{proxy="payment-engines",server="{}",state="UP"}}'
    return sum(found[state.format(name)] for name in ENGINES) == count
