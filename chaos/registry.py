"""The tables of faults, by kind; the class behind a name is imported when it is first needed.

A process that undoes one fault does not load all the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from alertdrill.chaos.fault import Fault
from alertdrill.chaos.injection import Injection

# All toxics have one injection.
_TOXICS = {
    "bandwidth": "alertdrill.chaos.toxiproxy.bandwidth:Bandwidth",
    "latency": "alertdrill.chaos.toxiproxy.latency:Latency",
    "limit_data": "alertdrill.chaos.toxiproxy.limit_data:LimitData",
    "reset_peer": "alertdrill.chaos.toxiproxy.reset_peer:ResetPeer",
    "slicer": "alertdrill.chaos.toxiproxy.slicer:Slicer",
    "slow_close": "alertdrill.chaos.toxiproxy.slow_close:SlowClose",
    "timeout": "alertdrill.chaos.toxiproxy.timeout:Timeout",
}
# The injection of each of these stands in the same module: `CpuInjection` beside `Cpu`.
_OTHERS = {
    "apply_manifest": "alertdrill.chaos.kubernetes.apply_manifest:ApplyManifest",
    "command": "alertdrill.chaos.machine.command:Command",
    "cordon": "alertdrill.chaos.kubernetes.cordon:Cordon",
    "cpu": "alertdrill.chaos.machine.cpu:Cpu",
    "down": "alertdrill.chaos.toxiproxy.down:Down",
    "drain": "alertdrill.chaos.kubernetes.drain:Drain",
    "evict_pods": "alertdrill.chaos.kubernetes.evict_pods:EvictPods",
    "http": "alertdrill.chaos.http.fault:Http",
    "kill_pods": "alertdrill.chaos.kubernetes.kill_pods:KillPods",
    "memory": "alertdrill.chaos.machine.memory:Memory",
    "partition": "alertdrill.chaos.kubernetes.partition:Partition",
    "postgres": "alertdrill.chaos.postgres.fault:Postgres",
    "pressure": "alertdrill.chaos.kubernetes.pressure:Pressure",
    "process": "alertdrill.chaos.machine.process:Process",
    "redis": "alertdrill.chaos.redis.fault:Redis",
    "restart_rollout": "alertdrill.chaos.kubernetes.restart_rollout:RestartRollout",
    "rollout_bad_image": "alertdrill.chaos.kubernetes.rollout_bad_image:RolloutBadImage",
    "scale": "alertdrill.chaos.kubernetes.scale:Scale",
}

FAULTS = dict(sorted((_TOXICS | _OTHERS).items()))
"""The kinds in a drill file, and the class of each."""

INJECTIONS = {kind: f"{place}Injection" for kind, place in _OTHERS.items()} | {
    "toxic": "alertdrill.chaos.toxiproxy.toxic:ToxicInjection",
}
"""The kinds in the ledger, and the class of each."""


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
