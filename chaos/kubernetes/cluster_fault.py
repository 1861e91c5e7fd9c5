"""The bases of faults in a cluster; they need an optional library."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from alertdrill.chaos.cluster_access import Namespace
from alertdrill.chaos.fault import Fault
from alertdrill.units.extras import require_library


class ClusterFault(Fault):
    """A fault of a cluster."""

    @model_validator(mode="after")
    def _has_its_library(self) -> Self:
        require_library("kubernetes_asyncio", "kubernetes")
        return self


class WorkloadFault(ClusterFault):
    """A fault of one workload, named as kubectl does (`deployment/engine`)."""

    namespace: Namespace
    workload: str

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"namespace {self.namespace}: {self.workload}"
