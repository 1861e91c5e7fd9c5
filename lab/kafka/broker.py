"""The broker: Apache Kafka in KRaft mode, one node, with a small heap.

Its listener PROXIED advertises Toxiproxy's address, so that clients which come through the proxy keep using it.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from alertdrill.lab.engine.outbox import TOPIC
from alertdrill.lab.errors import LabError
from alertdrill.lab.server import Spec
from alertdrill.lab.services import Layout

PARTITIONS = 3
_TOPIC_WITHIN_SECONDS = 60.0
# Sixteen bytes in base 64. Fixed, because a random one may begin with a dash, which the tool takes for an option.
_CLUSTER = "YWxlcnRkcmlsbCdzIGxhYg"
_REMEDY = "install it: make parts"
_HEAP = ("-Xms64m", "-Xmx128m", "-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# At level `info` Kafka logs hundreds of lines before it is ready.
_LOGGING = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")


def find_jars() -> Path:
    """Return the folder with Kafka's jars; raises LabError if it or Java is missing."""
    if shutil.which("java") is None:
        raise LabError(f"java is missing, {_REMEDY}")
    pom = (Path(__file__).parent / "pom.xml").read_text(encoding="utf-8")
    version = re.findall(r"<version>([\d.]+)</version>", pom)[1]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    jars = cache / "alertdrill" / f"kafka-{version}"
    if not jars.is_dir():
        raise LabError(f"Apache Kafka {version} is missing in {jars}, {_REMEDY}")
    return jars


def format_storage(layout: Layout) -> Spec:
    """The command that creates the broker's data folder."""
    return Spec("kafka-format", _java("kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", _write(layout)), 0)


def broker(layout: Layout) -> Spec:
    """The broker itself."""
    return Spec("kafka", _java("kafka.Kafka", str(_properties(layout))), layout.ports["kafka"])


async def create_topic(servers: str) -> None:
    """Create the topic of booked payments if it does not exist; raises LabError if that takes too long.

    The first tries may fail: the controller accepts a broker only some time after it listens.
    """
    deadline = asyncio.get_running_loop().time() + _TOPIC_WITHIN_SECONDS
    while problem := await _try_to_create(servers):
        if asyncio.get_running_loop().time() > deadline:
            raise LabError(f"the topic {TOPIC} was not created within {_TOPIC_WITHIN_SECONDS:g} s: {problem}")
        await asyncio.sleep(0.2)


async def _try_to_create(servers: str) -> str:
    """Return why the topic could not be created; empty if it exists."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    try:
        await admin.start()
        if not (await admin.describe_cluster())["brokers"]:
            return "no broker is in the cluster yet"
        response = await admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])
    except (KafkaError, OSError) as error:
        return repr(error)
    finally:
        await admin.close()
    # aiokafka does not raise the controller's error for a topic.
    code = response.topic_errors[0][1]
    return "" if code in {0, TopicAlreadyExistsError.errno} else for_code(code).__name__


def _java(main: str, *arguments: str) -> list[str]:
    return [shutil.which("java") or "java", *_HEAP, *_LOGGING, "-cp", f"{find_jars()}/*", main, *arguments]


def _properties(layout: Layout) -> Path:
    return layout.directory / "kafka" / "server.properties"


def _write(layout: Layout) -> str:
    """Write the broker's settings and return their path; with one node, everything has one copy."""
    plain = ",".join(f"{name}:PLAINTEXT" for name in ("INTERNAL", "PROXIED", "CONTROLLER"))
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{layout.address('kafka-controller')}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"INTERNAL://{layout.address('kafka')},PROXIED://{layout.address('kafka-proxied')}"
        f",CONTROLLER://{layout.address('kafka-controller')}",
        "advertised.listeners": f"INTERNAL://{layout.address('kafka')},PROXIED://{layout.address('kafka-proxy')}",
        "listener.security.protocol.map": plain,
        "inter.broker.listener.name": "INTERNAL",
        "log.dirs": layout.directory / "kafka" / "data",
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": 1,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        # The controller keeps a killed broker's session this long, and rejects its restart until then.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "num.network.threads": 2,
        "num.io.threads": 2,
        "log.cleaner.dedupe.buffer.size": 2 * 2**20,
    }
    path = _properties(layout)
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
    return str(path)
