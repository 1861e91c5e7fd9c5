"""The bases of faults in a cluster; they need an optional library."""

from __future__ import annotations

from abc import abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import model_validator

from alertdrill.chaos.cluster_access import ClusterReach, Namespace
from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.kubernetes import workload
from alertdrill.chaos.kubernetes.connection import NO_CLUSTER, breaking, longest_undo
from alertdrill.chaos.kubernetes.place import Object, Place
from alertdrill.chaos.kubernetes.whole import Before
from alertdrill.units.duration import Duration
from alertdrill.units.extras import require_library

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster


class ClusterFault(Fault):
    """A fault of a cluster's nodes, or of a part of it that a subclass names."""

    client_module: ClassVar[str] = "alertdrill.chaos.kubernetes.client"

    @model_validator(mode="after")
    def _has_its_library(self) -> Self:
        require_library("kubernetes_asyncio", "kubernetes")
        return self

    def servers(self, endpoints: Endpoints) -> frozenset[str]:
        """Return what no other drill may break at the same time."""
        return frozenset({f"{self._part} of {endpoints.kubernetes.words}"} if endpoints.kubernetes else ())

    def refusal(self, endpoints: Endpoints) -> str:
        """Return that no cluster is open to drills, if none is."""
        return NO_CLUSTER if endpoints.kubernetes is None else ""

    @property
    def _part(self) -> str:
        return "nodes"


class ClusterInjection(Injection):
    """A fault of a cluster that can be read back."""

    reach: ClusterReach

    @property
    def look_every(self) -> timedelta:
        """How often `taken_back` is called: each look is a new connection, and may run a program for the credentials."""
        return timedelta(seconds=5)

    async def taken_back(self) -> str:
        """Return what `lost` finds; an API server that does not answer proves nothing."""
        try:
            async with breaking(self.reach) as cluster:
                return await self.lost(cluster)
        except FaultNotApplied:
            return ""

    @abstractmethod
    async def lost(self, cluster: KubernetesCluster) -> str:
        """Return what is not as the fault made it; empty while all is. Raises FaultNotApplied and ClusterError."""


class WorkloadInjection(Injection):
    """A fault of one workload, with the fault's name."""

    name: str
    reach: ClusterReach
    namespace: Namespace
    workload: str
    before: Before

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"namespace {self.namespace}: {self.workload}"

    @property
    def place(self) -> Place:
        """The place of the workload."""
        return workload.place(self.workload, self.namespace)


class RolloutInjection(WorkloadInjection):
    """A fault that begins a roll-out, and waits at its end until one is complete."""

    complete_within: Duration

    @property
    def longest_undo(self) -> timedelta:
        """The time after which an undo counts as hung."""
        return longest_undo(self.complete_within)

    def _missing(self, now: Object) -> str:
        return "" if workload.keeps_template(now) else workload.missing_part(now, self.before.wanted)


class NamespaceFault(ClusterFault):
    """A fault of one namespace."""

    namespace: Namespace

    @property
    def _part(self) -> str:
        return f"namespace {self.namespace}"


class WorkloadFault(NamespaceFault):
    """A fault of one workload, named as kubectl does (`deployment/engine`)."""

    workload: str

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"namespace {self.namespace}: {self.workload}"
