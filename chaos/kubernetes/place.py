"""The places of objects on an API server, and its errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self
from urllib.parse import quote

from alertdrill.units.secrecy import without
from alertdrill.units.settings import Settings
from alertdrill.units.text import one_line

Object = dict[str, Any]


class Place(Settings):
    """A resource (`pods`), or one object of it, or a subresource of that object, of a namespace or of the cluster."""

    api: str = "v1"
    resource: str
    namespace: str | None = None
    name: str = ""
    subresource: str = ""

    @property
    def path(self) -> str:
        """The path of its URL."""
        parts = ["apis" if "/" in self.api else "api", *self.api.split("/")]
        if self.namespace is not None and self.resource != "namespaces":
            parts += ["namespaces", self.namespace]
        parts += [part for part in (self.resource, self.name, self.subresource) if part]
        return "/" + "/".join(quote(part, safe="") for part in parts)

    @property
    def group(self) -> str:
        """Its API group; the core group has no name."""
        return self.api.rpartition("/")[0]

    @property
    def kind(self) -> str:
        """The resource in the syntax of roles: `deployments.apps/scale`."""
        group = f".{self.group}" if self.group else ""
        return f"{self.resource}{group}" + (f"/{self.subresource}" if self.subresource else "")

    @property
    def where(self) -> str:
        """The namespace, in words."""
        return f"in namespace {self.namespace}" if self.namespace is not None else "of the cluster"

    @property
    def words(self) -> str:
        """The object, in words."""
        return f"{self.kind} {self.name} {self.where}" if self.name else f"{self.kind} {self.where}"

    def of(self, subresource: str) -> Place:
        """Return the place of a subresource of the same object."""
        return self.model_copy(update={"subresource": subresource})

    def named(self, name: str) -> Place:
        """Return the place of one object of the same resource."""
        return self.model_copy(update={"name": name})


def namespace(name: str) -> Place:
    """Return the place of a namespace; permissions count it as inside itself."""
    return Place(resource="namespaces", namespace=name, name=name)


def pods(namespace: str) -> Place:
    """Return the place of the pods of a namespace."""
    return Place(resource="pods", namespace=namespace)


def nodes() -> Place:
    """Return the place of the nodes."""
    return Place(resource="nodes")


class ClusterError(Exception):
    """The API server refused, or could not be reached; `status` is None when it did not answer.

    `causes` are the detailed reasons of a refusal, if there are any, and `by_budget` says that a PodDisruptionBudget
    refused. `passes` says that the same request may succeed later, after `retry_after` seconds if the API server gave a
    time. `is_unsure` says that it may have been carried out all the same, and `was_unsure` that an earlier, equal request
    may have been.
    """

    def __init__(  # noqa: PLR0913 - what is known of an error
        self,
        text: str,
        status: int | None = None,
        *,
        causes: tuple[str, ...] = (),
        by_budget: bool = False,
        passes: bool = False,
        is_unsure: bool = False,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(one_line(text))
        self.status = status
        self.causes = causes
        self.by_budget = by_budget
        self.passes = passes
        self.is_unsure = is_unsure
        self.was_unsure = False
        self.retry_after = retry_after

    def hiding(self, secrets: Iterable[str]) -> Self:
        """Replace secrets in its text: an API server, or a proxy before it, may repeat what it was sent."""
        hidden = tuple(secrets)
        self.args = (without(str(self), hidden),)
        self.causes = tuple(without(one, hidden) for one in self.causes)
        return self
