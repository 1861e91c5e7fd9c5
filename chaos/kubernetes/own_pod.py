"""What no fault may break, because undoing it needs them: alertdrill's own pod, and the Toxiproxy of its faults.

The own pod is known by POD_NAME (else HOSTNAME, which Kubernetes sets) and by POD_NAMESPACE (else the file that each
service account has in its pods). Outside of a cluster there is none.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.kubernetes import place, workload
from alertdrill.chaos.kubernetes.connection import found, require_permissions
from alertdrill.chaos.kubernetes.place import Object, Place

if TYPE_CHECKING:
    from alertdrill.chaos.kubernetes.client import KubernetesCluster

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class OwnPods:
    """The pods of one namespace that no fault may hit."""

    def __init__(self, pod: str, toxiproxy: dict[str, str]) -> None:
        self._pod = pod
        self._toxiproxy = toxiproxy

    @classmethod
    async def of(cls, cluster: KubernetesCluster, endpoints: Endpoints, namespace: str) -> OwnPods:
        """Find them; raises FaultNotApplied when a permission for that is missing, and ClusterError."""
        own_namespace = _own_namespace()
        own = os.environ.get("POD_NAME") or os.environ.get("HOSTNAME", "") if own_namespace == namespace else ""
        if own:
            await require_permissions(cluster, ("list", place.pods(namespace)))
        service = _service(endpoints.toxiproxy_url, own_namespace)
        if service is None or service.namespace != namespace:
            return cls(own, {})
        await require_permissions(cluster, ("get", service))
        there = await found(cluster, service) or {}
        return cls(own, (there.get("spec") or {}).get("selector") or {})

    def without(self, pods: list[Object]) -> list[Object]:
        """Leave out the own pods, and the others of their workloads."""
        families = {_family(pod) for pod in pods if self._is_own(pod)}
        return [pod for pod in pods if _family(pod) not in families]

    async def require_others(self, cluster: KubernetesCluster, owner: str, there: Object, namespace: str) -> None:
        """Raise FaultNotApplied when a workload has own pods; raises ClusterError too."""
        labels = (there["spec"]["template"].get("metadata") or {}).get("labels") or {}
        if self._is_of_toxiproxy(labels):
            raise FaultNotApplied(f"{owner} of namespace {namespace} is alertdrill's own Toxiproxy, which is never hit")
        if not self._pod:
            return
        pods = await cluster.listed(place.pods(namespace), workload.selector(there))
        if any(pod["metadata"]["name"] == self._pod and workload.owns(owner, there, pod) for pod in pods):
            raise FaultNotApplied(f"{owner} of namespace {namespace} runs alertdrill itself, and is never hit")

    def _is_own(self, pod: Object) -> bool:
        metadata = pod["metadata"]
        return metadata["name"] == self._pod or self._is_of_toxiproxy(metadata.get("labels") or {})

    def _is_of_toxiproxy(self, labels: dict[str, str]) -> bool:
        return bool(self._toxiproxy) and self._toxiproxy.items() <= labels.items()


def _own_namespace() -> str:
    if named := os.environ.get("POD_NAMESPACE"):
        return named
    try:
        return _NAMESPACE_FILE.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _service(url: str, own_namespace: str) -> Place | None:
    """Return the Service that a URL names: `toxiproxy`, `toxiproxy.shop`, `toxiproxy.shop.svc.cluster.local`."""
    host = urlsplit(url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        name, *rest = host.split(".")
    else:
        return None
    namespace = rest[0] if rest else own_namespace
    if name in {"", "localhost"} or not namespace or (len(rest) > 1 and rest[1] != "svc"):
        return None
    return Place(resource="services", namespace=namespace, name=name)


def _family(pod: Object) -> tuple[str, str]:
    """Return what the pods of a workload have in common, whatever their release."""
    controller = workload.controller_of(pod)
    if controller is None:
        return "Pod", pod["metadata"]["name"]
    release = (pod["metadata"].get("labels") or {}).get("pod-template-hash", "")
    return controller["kind"], controller["name"].removesuffix(f"-{release}" if release else "")
