"""Which faults there are: the kind in a drill file and its class, and the kind in the ledger and its class."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chaos.command import Command, CommandInjection
from chaos.cpu import Cpu, CpuInjection
from chaos.fault import Fault
from chaos.http import Http, HttpInjection
from chaos.injection import Injection
from chaos.kubernetes.apply_manifest import ApplyManifest, ApplyManifestInjection
from chaos.kubernetes.cordon import Cordon, CordonInjection
from chaos.kubernetes.evict_pods import EvictPods, EvictPodsInjection
from chaos.kubernetes.kill_pods import KillPods, KillPodsInjection
from chaos.kubernetes.restart_rollout import RestartRollout, RestartRolloutInjection
from chaos.kubernetes.scale import Scale, ScaleInjection
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
    "apply_manifest": ApplyManifest,
    "bandwidth": Bandwidth,
    "command": Command,
    "cordon": Cordon,
    "cpu": Cpu,
    "down": Down,
    "evict_pods": EvictPods,
    "http": Http,
    "kill_pods": KillPods,
    "latency": Latency,
    "limit_data": LimitData,
    "memory": Memory,
    "postgres": Postgres,
    "process": Process,
    "redis": Redis,
    "reset_peer": ResetPeer,
    "restart_rollout": RestartRollout,
    "scale": Scale,
    "slicer": Slicer,
    "slow_close": SlowClose,
    "timeout": Timeout,
}

AnyFault = Annotated[
    ApplyManifest
    | Bandwidth
    | Command
    | Cordon
    | Cpu
    | Down
    | EvictPods
    | Http
    | KillPods
    | Latency
    | LimitData
    | Memory
    | Postgres
    | Process
    | Redis
    | ResetPeer
    | RestartRollout
    | Scale
    | Slicer
    | SlowClose
    | Timeout,
    Field(discriminator="kind"),
]

INJECTIONS: dict[str, type[Injection]] = {
    "apply_manifest": ApplyManifestInjection,
    "command": CommandInjection,
    "cordon": CordonInjection,
    "cpu": CpuInjection,
    "down": DownInjection,
    "evict_pods": EvictPodsInjection,
    "http": HttpInjection,
    "kill_pods": KillPodsInjection,
    "memory": MemoryInjection,
    "postgres": PostgresInjection,
    "process": ProcessInjection,
    "redis": RedisInjection,
    "restart_rollout": RestartRolloutInjection,
    "scale": ScaleInjection,
    "toxic": ToxicInjection,
}
