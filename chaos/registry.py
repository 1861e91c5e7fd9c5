"""Which faults there are: the kind in a drill file and its class, and the kind in the ledger and its class."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from alertdrill.chaos.fault import Fault
from alertdrill.chaos.http.fault import Http, HttpInjection
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.kubernetes.apply_manifest import ApplyManifest, ApplyManifestInjection
from alertdrill.chaos.kubernetes.cordon import Cordon, CordonInjection
from alertdrill.chaos.kubernetes.evict_pods import EvictPods, EvictPodsInjection
from alertdrill.chaos.kubernetes.kill_pods import KillPods, KillPodsInjection
from alertdrill.chaos.kubernetes.restart_rollout import RestartRollout, RestartRolloutInjection
from alertdrill.chaos.kubernetes.scale import Scale, ScaleInjection
from alertdrill.chaos.machine.command import Command, CommandInjection
from alertdrill.chaos.machine.cpu import Cpu, CpuInjection
from alertdrill.chaos.machine.memory import Memory, MemoryInjection
from alertdrill.chaos.machine.process import Process, ProcessInjection
from alertdrill.chaos.postgres.fault import Postgres, PostgresInjection
from alertdrill.chaos.redis.fault import Redis, RedisInjection
from alertdrill.chaos.toxiproxy.bandwidth import Bandwidth
from alertdrill.chaos.toxiproxy.down import Down, DownInjection
from alertdrill.chaos.toxiproxy.latency import Latency
from alertdrill.chaos.toxiproxy.limit_data import LimitData
from alertdrill.chaos.toxiproxy.reset_peer import ResetPeer
from alertdrill.chaos.toxiproxy.slicer import Slicer
from alertdrill.chaos.toxiproxy.slow_close import SlowClose
from alertdrill.chaos.toxiproxy.timeout import Timeout
from alertdrill.chaos.toxiproxy.toxic import ToxicInjection

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
