"""The bases of faults in a cluster; they need an optional library."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import model_validator

from alertdrill.chaos.cluster_access import Namespace
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.injection import Injection
from alertdrill.units.extras import require_library


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

    @property
    def look_every(self) -> timedelta:
        """How often `taken_back` is called: each look is a new connection, and may run a program for the credentials."""
        return timedelta(seconds=5)


class WorkloadFault(ClusterFault):
    """A fault of one workload, named as kubectl does (`deployment/engine`)."""

    namespace: Namespace
    workload: str

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"namespace {self.namespace}: {self.workload}"
