"""The cluster of the drills, and the part of it that they may touch: the section `kubernetes` of agent.yml.

kubernetes:
  kubeconfig: ~/.kube/config     # the pod's own service account unless named
  context: staging               # the file's current context unless named
  namespaces: [shop]
  label: {alertdrill.io/enabled: "true"}
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, field_validator

from alertdrill.chaos.secret_source import PathBesideFile
from alertdrill.units.settings import Settings

# The namespaces of Kubernetes itself.
PROTECTED = ("kube-system", "kube-public", "kube-node-lease")
DNS_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"


def _require_unprotected(namespace: str) -> str:
    if namespace in PROTECTED:
        msg = f"{namespace} belongs to Kubernetes and is never touched: expected another namespace"
        raise ValueError(msg)
    return namespace


def _require_requirement(selector: str) -> str:
    if not selector.strip():
        msg = "is blank, which would mean all: expected at least one requirement such as app=engine"
        raise ValueError(msg)
    return selector


Name = Annotated[str, StringConstraints(pattern=DNS_NAME, max_length=253)]
Namespace = Annotated[Name, AfterValidator(_require_unprotected)]
# Labels, as kubectl takes them.
Selector = Annotated[str, AfterValidator(_require_requirement)]


class ClusterReach(Settings):
    """How to reach a cluster, without its secrets: the ledger keeps it for the process that undoes a fault."""

    kubeconfig: PathBesideFile | None = None
    context: str | None = Field(default=None, min_length=1)

    @property
    def words(self) -> str:
        """The cluster, in words."""
        if self.kubeconfig is None:
            return "the cluster that alertdrill runs in"
        return f"the cluster of {self.kubeconfig}" + (f" ({self.context})" if self.context else "")


class Kubernetes(ClusterReach):
    """A cluster, and the part that drills may touch: these namespaces, if they or their objects carry the label."""

    namespaces: tuple[Namespace, ...] = Field(min_length=1)
    label: dict[str, str] = Field(default={"alertdrill.io/enabled": "true"}, min_length=1)
    largest_share: float = Field(default=1.0, gt=0, le=1)

    @field_validator("context")
    @classmethod
    def _has_a_kubeconfig(cls, context: str | None, info: object) -> str | None:
        if context is not None and getattr(info, "data", {}).get("kubeconfig") is None:
            msg = "has context without kubeconfig, expected the file that holds the context"
            raise ValueError(msg)
        return context

    @property
    def reach(self) -> ClusterReach:
        """How to reach it."""
        return ClusterReach(kubeconfig=self.kubeconfig, context=self.context)

    @property
    def label_words(self) -> str:
        """The label in the syntax of selectors."""
        return ",".join(f"{key}={value}" for key, value in self.label.items())
