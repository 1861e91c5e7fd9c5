"""The bases of faults in a cluster; they need an optional library."""

from __future__ import annotations

from abc import abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from alertdrill.chaos.cluster_access import Namespace, Reach
from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.kubernetes.connection import breaking
from alertdrill.units.extras import require_library

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster


class ClusterFault(Fault):
    """A fault of a cluster."""

    @model_validator(mode="after")
    def _has_its_library(self) -> Self:
        require_library("kubernetes_asyncio", "kubernetes")
        return self

    def servers(self, endpoints: Endpoints) -> frozenset[str]:
        """Return what no other drill may break at the same time."""
        return frozenset({endpoints.kubernetes.words} if endpoints.kubernetes else ())


class ClusterInjection(Injection):
    """A fault of a cluster that can be read back."""

    reach: Reach

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


class WorkloadFault(ClusterFault):
    """A fault of one workload, named as kubectl does (`deployment/engine`)."""

    namespace: Namespace
    workload: str

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"namespace {self.namespace}: {self.workload}"
