"""Pods are cut off from the network by a NetworkPolicy, except for what is still allowed.

kind: partition
namespace: shop
selector: app=engine               # or owner: deployment/engine
direction: egress                  # or ingress; both unless named
still_allowed:
  - dns
  - {namespace: monitoring, pods: app=prometheus, port: 9090}
  - {cidr: 10.1.0.0/16}
keeps: [metrics]                   # policies that may go on allowing what they allow

The network of the cluster must enforce NetworkPolicies, which the API server cannot tell.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, IPvAnyNetwork, field_validator, model_validator

from alertdrill.chaos.cluster_access import Name
from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.kubernetes import label_selector, mark, place, workload
from alertdrill.chaos.kubernetes.cluster_fault import NamespaceFault
from alertdrill.chaos.kubernetes.connection import breaking, opened, require_permissions
from alertdrill.chaos.kubernetes.objects_injection import ObjectsInjection
from alertdrill.chaos.kubernetes.opted_in import opted_in, require_listed
from alertdrill.chaos.kubernetes.own_object import OwnObject
from alertdrill.chaos.kubernetes.own_pod import OwnPods
from alertdrill.chaos.kubernetes.place import Object, Place
from alertdrill.chaos.kubernetes.workload import Owner
from alertdrill.units.duration import Duration
from alertdrill.units.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alertdrill.chaos.kubernetes.client import KubernetesCluster

_API, _KIND = "networking.k8s.io/v1", "NetworkPolicy"
_TYPES = {"ingress": ("Ingress",), "egress": ("Egress",), "both": ("Ingress", "Egress")}
# Each namespace carries its name as a label.
_NAME_LABEL = "kubernetes.io/metadata.name"
_DNS: Object = {"ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]}


class Allowed(Settings):
    """Traffic that goes on: with some pods, a namespace or addresses, and on one port if it is named."""

    namespace: Name | None = None
    pods: str | None = None
    cidr: IPvAnyNetwork | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"

    @field_validator("pods")
    @classmethod
    def _can_be_read(cls, pods: str | None) -> str | None:
        if pods is not None:
            label_selector.parse(pods)
        return pods

    @model_validator(mode="after")
    def _is_one_peer(self) -> Self:
        if self.cidr is not None and (self.pods is not None or self.namespace is not None):
            msg = "has cidr beside pods or namespace, expected one of them"
            raise ValueError(msg)
        if {self.namespace, self.pods, self.cidr, self.port} == {None}:
            msg = "allows everything, expected namespace, pods, cidr or port"
            raise ValueError(msg)
        return self

    def rule(self, peers: str) -> Object:
        """Return it as a rule of a policy, whose other side is called `peers`: from or to."""
        peer: Object = {}
        if self.cidr is not None:
            peer["ipBlock"] = {"cidr": str(self.cidr)}
        if self.pods is not None:
            peer["podSelector"] = label_selector.parse(self.pods)
        if self.namespace is not None:
            peer["namespaceSelector"] = {"matchLabels": {_NAME_LABEL: self.namespace}}
        ports = {"ports": [{"protocol": self.protocol, "port": self.port}]} if self.port is not None else {}
        return ({peers: [peer]} if peer else {}) | ports


class PartitionInjection(ObjectsInjection):
    """The policy, and the pods that it cuts off, in words."""

    kind: Literal["partition"] = "partition"
    pods: str

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"namespace {self.namespace}: pods of {self.pods}"


class Partition(NamespaceFault):
    """Cut some pods of a namespace off from the network."""

    kind: Literal["partition"] = "partition"
    selector: str | None = None
    owner: Owner | None = None
    direction: Literal["ingress", "egress", "both"] = "both"
    still_allowed: tuple[Literal["dns"] | Allowed, ...] = ()
    keeps: tuple[Name, ...] = ()
    gone_within: Duration = Field(default=timedelta(minutes=1), gt=timedelta(0))

    @model_validator(mode="after")
    def _has_one_target(self) -> Self:
        if (self.selector is None) == (self.owner is None):
            msg = "expected either selector or owner"
            raise ValueError(msg)
        if self.selector is not None:
            label_selector.parse(self.selector)
        return self

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"namespace {self.namespace}: pods of {self._pods}"

    @property
    def _pods(self) -> str:
        return self.owner or self.selector or ""

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> PartitionInjection:
        """Find the pods; raises FaultNotApplied for none, for closed ones, and where a policy would still let traffic in."""
        access = opened(endpoints)
        require_listed(access, self.namespace)
        where = Place(api=_API, resource="networkpolicies", namespace=self.namespace)
        own = OwnObject(place=where.named(entry_id), kind=_KIND)
        needed = [("list", where), ("create", where), ("get", own.place), ("delete", own.place)]
        async with breaking(access.reach) as cluster:
            await require_permissions(cluster, ("get", place.namespace(self.namespace)), *self._to_find(), *needed)
            chosen = await self._selector(cluster)
            pods = await self._open_pods(cluster, endpoints, chosen)
            self._require_effect(await cluster.listed(where), pods, where)
            body = self._policy(entry_id, chosen)
            await own.require_accepted(cluster, body, entry_id, "")
        return PartitionInjection(
            name=entry_id,
            reach=access.reach,
            objects=(own,),
            pods=self._pods,
            **self.model_dump(include={"namespace", "gone_within"}),
        ).with_bodies([body], "")

    async def _open_pods(self, cluster: KubernetesCluster, endpoints: Endpoints, chosen: Object) -> list[Object]:
        """List the pods that a policy would cut off; raises FaultNotApplied when it may not touch one, and ClusterError."""
        access = opened(endpoints)
        found = await cluster.listed(place.pods(self.namespace))
        pods = [pod for pod in found if label_selector.matches(chosen, _labels(pod))]
        if not pods:
            raise FaultNotApplied(f"there is no pod of {self._pods} in namespace {self.namespace}")
        closed = len(pods) - len(await opted_in(cluster, access, self.namespace, pods))
        if closed:
            raise FaultNotApplied(
                f"{closed} of the {len(pods)} pods of {self._pods} are not open to drills, and a policy would cut"
                f" them off too: neither they nor namespace {self.namespace} carry {access.label_words}"
            )
        own_pods = await OwnPods.of(cluster, endpoints, self.namespace)
        if len(own_pods.without(pods)) < len(pods):
            raise FaultNotApplied(
                f"{self._pods} chooses pods of alertdrill itself or of its Toxiproxy, which are never cut off"
            )
        return pods

    def _to_find(self) -> Sequence[tuple[str, Place]]:
        owner = [("get", workload.place(self.owner, self.namespace))] if self.owner else []
        return [*owner, ("list", place.pods(self.namespace))]

    async def _selector(self, cluster: KubernetesCluster) -> Object:
        if self.owner is None:
            return label_selector.parse(self.selector or "")
        where = workload.place(self.owner, self.namespace)
        there = await cluster.get(where)
        mark.require_free(there, where)
        chosen: Object = there["spec"]["selector"]
        return chosen

    def _require_effect(self, policies: list[Object], pods: list[Object], where: Place) -> None:
        """Raise FaultNotApplied when a policy of these pods allows what would be cut off: policies add up."""
        for one in policies:
            name, spec = one["metadata"]["name"], one["spec"]
            if not any(label_selector.matches(spec.get("podSelector") or {}, _labels(pod)) for pod in pods):
                continue
            mark.require_free(one, where.named(name))
            allowed = [key for key in ("ingress", "egress") if self.direction in {key, "both"} and spec.get(key)]
            if allowed and name not in self.keeps:
                raise FaultNotApplied(
                    f"NetworkPolicy {name} of namespace {self.namespace} allows {' and '.join(allowed)} of these pods, and"
                    f" would still do so, because policies add up: remove it for the drill, or accept it (keeps: [{name}])"
                )

    def _policy(self, name: str, chosen: Object) -> Object:
        rules: Object = {}
        if self.direction in {"ingress", "both"}:
            rules["ingress"] = [one.rule("from") for one in self.still_allowed if isinstance(one, Allowed)]
        if self.direction in {"egress", "both"}:
            rules["egress"] = [one.rule("to") if isinstance(one, Allowed) else _DNS for one in self.still_allowed]
        return {
            "apiVersion": _API,
            "kind": _KIND,
            "metadata": {"name": name, "namespace": self.namespace, "labels": mark.labels(name)},
            "spec": {"podSelector": chosen, "policyTypes": list(_TYPES[self.direction]), **rules},
        }


def _labels(pod: Object) -> dict[str, Any]:
    return pod["metadata"].get("labels") or {}
