"""The state of a Kafka cluster, read through aiokafka."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient


@dataclass(frozen=True)
class KafkaPartition:
    """One partition of a topic: its offsets, and the node ids of its leader and copies."""

    topic: str
    number: int
    leader: int
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]
    oldest_offset: int
    current_offset: int


@dataclass(frozen=True)
class ConsumerGroup:
    """One consumer group: the number of its members, and its committed offset for each (topic, partition)."""

    name: str
    members: int
    offsets: dict[tuple[str, int], int]


@dataclass(frozen=True)
class KafkaCluster:
    """Brokers by node id, partitions and consumer groups; all empty if the cluster does not answer."""

    brokers: dict[int, str] = field(default_factory=dict)
    partitions: tuple[KafkaPartition, ...] = ()
    groups: tuple[ConsumerGroup, ...] = ()


async def read_cluster(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> KafkaCluster:
    """Read the state of the cluster; raises KafkaError, OSError."""
    described = await admin.describe_cluster()
    brokers = {broker["node_id"]: f"{broker['host']}:{broker['port']}" for broker in described["brokers"]}
    names = sorted(group for group, _ in await admin.list_consumer_groups())
    groups = tuple([await _group(admin, name) for name in names])
    return KafkaCluster(brokers, await _partitions(admin, consumer), groups)


async def _partitions(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> tuple[KafkaPartition, ...]:
    topics = [topic for topic in await admin.describe_topics() if not topic["is_internal"]]
    known = {TopicPartition(topic["topic"], one["partition"]): one for topic in topics for one in topic["partitions"]}
    oldest, current = await consumer.beginning_offsets(list(known)), await consumer.end_offsets(list(known))
    return tuple(
        KafkaPartition(
            topic=place.topic,
            number=place.partition,
            leader=one["leader"],
            replicas=tuple(one["replicas"]),
            in_sync=tuple(one["isr"]),
            oldest_offset=oldest[place],
            current_offset=current[place],
        )
        for place, one in sorted(known.items())
    )


async def _group(admin: AIOKafkaAdminClient, name: str) -> ConsumerGroup:
    offsets = await admin.list_consumer_group_offsets(name)
    described = await admin.describe_consumer_groups([name])
    members = sum(len(group[5]) for answer in described for group in answer.groups)
    return ConsumerGroup(name, members, {(place.topic, place.partition): one.offset for place, one in offsets.items()})
