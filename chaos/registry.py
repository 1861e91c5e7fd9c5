"""The table of faults: a row is the kind in a drill file, its class, and the class that the ledger keeps of it."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias

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


class Row(NamedTuple):
    """The settings of a fault, and its injection; several faults may share an injection."""

    fault: type[Fault]
    injection: type[Injection]


ROWS = {
    "apply_manifest": Row(ApplyManifest, ApplyManifestInjection),
    "bandwidth": Row(Bandwidth, ToxicInjection),
    "command": Row(Command, CommandInjection),
    "cordon": Row(Cordon, CordonInjection),
    "cpu": Row(Cpu, CpuInjection),
    "down": Row(Down, DownInjection),
    "evict_pods": Row(EvictPods, EvictPodsInjection),
    "http": Row(Http, HttpInjection),
    "kill_pods": Row(KillPods, KillPodsInjection),
    "latency": Row(Latency, ToxicInjection),
    "limit_data": Row(LimitData, ToxicInjection),
    "memory": Row(Memory, MemoryInjection),
    "postgres": Row(Postgres, PostgresInjection),
    "process": Row(Process, ProcessInjection),
    "redis": Row(Redis, RedisInjection),
    "reset_peer": Row(ResetPeer, ToxicInjection),
    "restart_rollout": Row(RestartRollout, RestartRolloutInjection),
    "scale": Row(Scale, ScaleInjection),
    "slicer": Row(Slicer, ToxicInjection),
    "slow_close": Row(SlowClose, ToxicInjection),
    "timeout": Row(Timeout, ToxicInjection),
}

FAULTS = {kind: row.fault for kind, row in ROWS.items()}
INJECTIONS: dict[str, type[Injection]] = {
    row.injection.model_fields["kind"].default: row.injection for row in ROWS.values()
}

if TYPE_CHECKING:
    # A type checker cannot make a union of a table's classes.
    AnyFault: TypeAlias = Fault
else:
    AnyFault = Annotated[reduce(or_, FAULTS.values()), Field(discriminator="kind")]
