"""A cluster as metrics, under the names and labels of kafka_exporter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from alertdrill.lab.kafka.cluster import ConsumerGroup, KafkaCluster, KafkaPartition

_Row = tuple[tuple[str, ...], float]


class ClusterMetrics(Collector):
    """One reading of a cluster."""

    def __init__(self, cluster: KafkaCluster) -> None:
        self._cluster = cluster

    def collect(self) -> Iterable[Metric]:
        """Yield every metric for prometheus_client."""
        cluster = self._cluster
        yield _family("kafka_brokers", "Brokers of the cluster.", (), [((), len(cluster.brokers))])
        rows = [((address, str(node)), 1.0) for node, address in cluster.brokers.items()]
        yield _family("kafka_broker_info", "A broker.", ("address", "id"), rows)
        topics = Counter(one.topic for one in cluster.partitions)
        rows_of_topics = [((topic,), float(count)) for topic, count in topics.items()]
        yield _family("kafka_topic_partitions", "Partitions of a topic.", ("topic",), rows_of_topics)
        yield from _of_partitions(cluster.partitions)
        yield from _of_groups(cluster)


def _of_partitions(partitions: tuple[KafkaPartition, ...]) -> Iterator[Metric]:
    figures: dict[str, tuple[str, Callable[[KafkaPartition], float]]] = {
        "current_offset": ("The offset of the next message.", lambda one: one.current_offset),
        "oldest_offset": ("The offset of the oldest message.", lambda one: one.oldest_offset),
        "leader": ("The node id of the leader.", lambda one: one.leader),
        "leader_is_preferred": (
            "1 when the preferred broker leads.",
            lambda one: one.replicas[:1] == (one.leader,),
        ),
        "replicas": ("Copies.", lambda one: len(one.replicas)),
        "in_sync_replica": ("Copies that are up to date.", lambda one: len(one.in_sync)),
        "under_replicated_partition": (
            "1 when a copy is not up to date.",
            lambda one: len(one.in_sync) < len(one.replicas),
        ),
    }
    for name, (text, read) in figures.items():
        rows = [((str(one.number), one.topic), float(read(one))) for one in partitions]
        yield _family(f"kafka_topic_partition_{name}", text, ("partition", "topic"), rows)


def _of_groups(cluster: KafkaCluster) -> Iterator[Metric]:
    ends = {(one.topic, one.number): one.current_offset for one in cluster.partitions}
    labels, summed = ("consumergroup", "partition", "topic"), ("consumergroup", "topic")
    members = [((group.name,), float(group.members)) for group in cluster.groups]
    yield _family("kafka_consumergroup_members", "Members of a group.", ("consumergroup",), members)
    offsets = [row for group in cluster.groups for row in _rows(group, group.offsets)]
    lags = [row for group in cluster.groups for row in _rows(group, _lags(group, ends))]
    yield _family("kafka_consumergroup_current_offset", "What a group has committed.", labels, offsets)
    yield _family("kafka_consumergroup_current_offset_sum", "What a group has committed.", summed, _sums(offsets))
    yield _family("kafka_consumergroup_lag", "Messages that a group has still to read.", labels, lags)
    yield _family("kafka_consumergroup_lag_sum", "Messages that a group has still to read.", summed, _sums(lags))


def _lags(group: ConsumerGroup, ends: dict[tuple[str, int], int]) -> dict[tuple[str, int], int]:
    # A lag is never negative: the ends are read after the committed offsets. A group may still know a deleted topic.
    return {place: max(0, ends[place] - offset) for place, offset in group.offsets.items() if place in ends}


def _rows(group: ConsumerGroup, figures: dict[tuple[str, int], int]) -> Iterator[_Row]:
    for (topic, partition), value in sorted(figures.items()):
        yield (group.name, str(partition), topic), float(value)


def _sums(rows: list[_Row]) -> list[_Row]:
    sums: dict[tuple[str, ...], float] = {}
    for (group, _, topic), value in rows:
        sums[group, topic] = sums.get((group, topic), 0.0) + value
    return list(sums.items())


def _family(name: str, text: str, labels: tuple[str, ...], rows: Iterable[_Row]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family
