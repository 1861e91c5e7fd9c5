"""The tables of faults, by kind; the class behind a name is imported when it is first needed.

A process that undoes one fault does not load all the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from alertdrill.chaos.fault import Fault
from alertdrill.chaos.injection import Injection

FAULTS = {
    "apply_manifest": "alertdrill.chaos.kubernetes.apply_manifest:ApplyManifest",
    "bandwidth": "alertdrill.chaos.toxiproxy.bandwidth:Bandwidth",
    "command": "alertdrill.chaos.machine.command:Command",
    "cordon": "alertdrill.chaos.kubernetes.cordon:Cordon",
    "cpu": "alertdrill.chaos.machine.cpu:Cpu",
    "down": "alertdrill.chaos.toxiproxy.down:Down",
    "drain": "alertdrill.chaos.kubernetes.drain:Drain",
    "evict_pods": "alertdrill.chaos.kubernetes.evict_pods:EvictPods",
    "http": "alertdrill.chaos.http.fault:Http",
    "kill_pods": "alertdrill.chaos.kubernetes.kill_pods:KillPods",
    "latency": "alertdrill.chaos.toxiproxy.latency:Latency",
    "limit_data": "alertdrill.chaos.toxiproxy.limit_data:LimitData",
    "memory": "alertdrill.chaos.machine.memory:Memory",
    "partition": "alertdrill.chaos.kubernetes.partition:Partition",
    "postgres": "alertdrill.chaos.postgres.fault:Postgres",
    "pressure": "alertdrill.chaos.kubernetes.pressure:Pressure",
    "process": "alertdrill.chaos.machine.process:Process",
    "redis": "alertdrill.chaos.redis.fault:Redis",
    "reset_peer": "alertdrill.chaos.toxiproxy.reset_peer:ResetPeer",
    "restart_rollout": "alertdrill.chaos.kubernetes.restart_rollout:RestartRollout",
    "rollout_bad_image": "alertdrill.chaos.kubernetes.rollout_bad_image:RolloutBadImage",
    "scale": "alertdrill.chaos.kubernetes.scale:Scale",
    "slicer": "alertdrill.chaos.toxiproxy.slicer:Slicer",
    "slow_close": "alertdrill.chaos.toxiproxy.slow_close:SlowClose",
    "timeout": "alertdrill.chaos.toxiproxy.timeout:Timeout",
}
"""The kinds in a drill file, and the class of each."""

INJECTIONS = {
    "apply_manifest": "alertdrill.chaos.kubernetes.apply_manifest:ApplyManifestInjection",
    "command": "alertdrill.chaos.machine.command:CommandInjection",
    "cordon": "alertdrill.chaos.kubernetes.cordon:CordonInjection",
    "cpu": "alertdrill.chaos.machine.cpu:CpuInjection",
    "down": "alertdrill.chaos.toxiproxy.down:DownInjection",
    "drain": "alertdrill.chaos.kubernetes.drain:DrainInjection",
    "evict_pods": "alertdrill.chaos.kubernetes.evict_pods:EvictPodsInjection",
    "http": "alertdrill.chaos.http.fault:HttpInjection",
    "kill_pods": "alertdrill.chaos.kubernetes.kill_pods:KillPodsInjection",
    "memory": "alertdrill.chaos.machine.memory:MemoryInjection",
    "partition": "alertdrill.chaos.kubernetes.partition:PartitionInjection",
    "postgres": "alertdrill.chaos.postgres.fault:PostgresInjection",
    "pressure": "alertdrill.chaos.kubernetes.pressure:PressureInjection",
    "process": "alertdrill.chaos.machine.process:ProcessInjection",
    "redis": "alertdrill.chaos.redis.fault:RedisInjection",
    "restart_rollout": "alertdrill.chaos.kubernetes.restart_rollout:RestartRolloutInjection",
    "rollout_bad_image": "alertdrill.chaos.kubernetes.rollout_bad_image:RolloutBadImageInjection",
    "scale": "alertdrill.chaos.kubernetes.scale:ScaleInjection",
    "toxic": "alertdrill.chaos.toxiproxy.toxic:ToxicInjection",
}
"""The kinds in the ledger, and the class of each; all toxics have the same one."""


def fault_class(kind: str) -> type[Fault]:
    """Import the settings of a fault; raises KeyError for an unknown kind."""
    found: type[Fault] = _imported(FAULTS[kind])
    return found


def injection_class(kind: str) -> type[Injection]:
    """Import what the ledger keeps of a fault; raises KeyError for an unknown kind."""
    found: type[Injection] = _imported(INJECTIONS[kind])
    return found


def _imported(place: str) -> Any:  # noqa: ANN401 - a class, which only the caller knows
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
