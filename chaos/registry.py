"""Which faults there are: the kind in a drill file and its class, and the kind in the ledger and its class."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chaos.command import Command, CommandInjection
from chaos.cpu import Cpu, CpuInjection
from chaos.fault import Fault
from chaos.http import Http, HttpInjection
from chaos.injection import Injection
from chaos.memory import Memory, MemoryInjection
from chaos.postgres import Postgres, PostgresInjection
from chaos.process import Process, ProcessInjection
from chaos.redis import Redis, RedisInjection
from chaos.toxiproxy.bandwidth import Bandwidth
from chaos.toxiproxy.down import Down, DownInjection
from chaos.toxiproxy.latency import Latency
from chaos.toxiproxy.limit_data import LimitData
from chaos.toxiproxy.reset_peer import ResetPeer
from chaos.toxiproxy.slicer import Slicer
from chaos.toxiproxy.slow_close import SlowClose
from chaos.toxiproxy.timeout import Timeout
from chaos.toxiproxy.toxic import ToxicInjection

FAULTS: dict[str, type[Fault]] = {
    "bandwidth": Bandwidth,
    "command": Command,
    "cpu": Cpu,
    "down": Down,
    "http": Http,
    "latency": Latency,
    "limit_data": LimitData,
    "memory": Memory,
    "postgres": Postgres,
    "process": Process,
    "redis": Redis,
    "reset_peer": ResetPeer,
    "slicer": Slicer,
    "slow_close": SlowClose,
    "timeout": Timeout,
}

AnyFault = Annotated[
    Bandwidth
    | Command
    | Cpu
    | Down
    | Http
    | Latency
    | LimitData
    | Memory
    | Postgres
    | Process
    | Redis
    | ResetPeer
    | Slicer
    | SlowClose
    | Timeout,
    Field(discriminator="kind"),
]

INJECTIONS: dict[str, type[Injection]] = {
    "command": CommandInjection,
    "cpu": CpuInjection,
    "down": DownInjection,
    "http": HttpInjection,
    "memory": MemoryInjection,
    "postgres": PostgresInjection,
    "process": ProcessInjection,
    "redis": RedisInjection,
    "toxic": ToxicInjection,
}
