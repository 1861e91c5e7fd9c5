"""A shop in a Kubernetes cluster, through an API client that shares no code with alertdrill."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from alertdrill.chaos.cluster_access import Kubernetes
from alertdrill.chaos.fault import Endpoints
from alertdrill.lab.kubernetes.api import ApiRefused, KubernetesApi
from alertdrill.lab.kubernetes.control_plane import ControlPlane
from alertdrill.lab.kubernetes.files import write_kubeconfig
from tests.support.breaking import NOWHERE
from tests.support.waiting import until

CONFIGS = Path(__file__).parents[2] / "configs" / "kubernetes"
LABEL = {"alertdrill.io/enabled": "true"}
_PATHS = {
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}
# Namespaces of others: one carries the label but is not in agent.yml, and one belongs to Kubernetes.
OTHERS = ("others", "kube-system")


# A pod with this finds no node, so it never becomes Ready by itself.
NO_NODE = {"nodeSelector": {"example.com/no-such-node": "true"}}


def template(name: str, **spec: Any) -> dict[str, Any]:
    """Describe pods that run nothing."""
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": name, "image": name}]} | spec}


def deployment(name: str, replicas: int, **metadata: Any) -> dict[str, Any]:
    """Describe a Deployment whose pods run nothing."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name} | metadata,
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name),
        },
    }


async def bystanders(api: KubernetesApi) -> None:
    """Create objects that no fault may touch, although they look like targets."""
    await api.create("/api/v1/namespaces", {"metadata": {"name": "others", "labels": LABEL}})
    await api.patch("/api/v1/namespaces/kube-system", {"metadata": {"labels": LABEL}})
    for namespace in OTHERS:
        engine = deployment("engine", 2, labels=LABEL)
        await _until_open(api, namespace)
        await api.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", engine)
    for namespace in OTHERS:
        await until(lambda name=namespace: _has_ready(api, name, 2), "the bystanders are Ready")  # type: ignore[misc]
    await until(lambda: _are_labelled(api), "the controllers have changed the nodes")


async def _are_labelled(api: KubernetesApi) -> bool:
    """Return whether each node has what the controllers add to a new one, which they do once."""
    nodes = [one["metadata"] for one in await api.listed("/api/v1/nodes")]
    return all("node.alpha.kubernetes.io/ttl" in one["annotations"] for one in nodes) and all(
        "beta.kubernetes.io/os" in one["labels"] for one in nodes
    )


async def seen(api: KubernetesApi) -> list[tuple[str, ...]]:
    """Return the state of the bystanders, and the nodes that accept pods."""
    found = []
    for namespace in OTHERS:
        for path in (f"/api/v1/namespaces/{namespace}/pods", f"/apis/apps/v1/namespaces/{namespace}/deployments"):
            for one in await api.listed(path):
                changes = str(one["metadata"].get("generation")), str(one["metadata"].get("deletionTimestamp"))
                found.append((one["metadata"]["name"], one["metadata"]["uid"], *changes))
    for node in await api.listed("/api/v1/nodes"):
        metadata = node["metadata"]
        labels, annotations = str(metadata.get("labels")), str(metadata.get("annotations"))
        found.append((metadata["name"], metadata["uid"], labels, annotations, str(node["spec"].get("unschedulable"))))
    return sorted(found)


class Shop:
    """One namespace, and the access of alertdrill's service account to it."""

    def __init__(self, api: KubernetesApi, name: str, kubeconfig: Path) -> None:
        self.api = api
        self.name = name
        self.kubeconfig = kubeconfig

    async def open(self, plane: ControlPlane, labels: dict[str, str] = LABEL) -> None:
        """Create the namespace, and give alertdrill the role from configs/."""
        await self.api.create("/api/v1/namespaces", {"metadata": {"name": self.name, "labels": labels}})
        await self._create("rbac.yml")
        await _until_open(self.api, self.name)
        account = f"/api/v1/namespaces/{self.name}/serviceaccounts/alertdrill"
        answer = await self.api.create(f"{account}/token", {"spec": {}})
        write_kubeconfig(self.kubeconfig, plane.url, plane.authority, answer["status"]["token"])
        await self.until_permitted((await self.role())["rules"])

    async def apply(self, file: str) -> list[tuple[str, str]]:
        """Create the objects of a file of configs/, for this namespace instead of `shop`; returns kinds and names."""
        made = await self._create(file)
        await self.until_permitted([rule for one in made for rule in one.get("rules", [])])
        return [(one["kind"], one["metadata"]["name"]) for one in made]

    async def _create(self, file: str) -> list[dict[str, Any]]:
        written = _written(file, self.name)
        for one in written:
            await self.api.create(_PATHS[one["kind"]].format(self.name), one)
        return written

    async def role(self) -> Any:
        """Read the role of alertdrill."""
        return await self.api.get(_PATHS["Role"].format(self.name) + "/alertdrill")

    async def permit(self, group: str, resources: list[str], verbs: list[str]) -> None:
        """Add a rule to the role of alertdrill, as a drill needs that creates other kinds of objects."""
        rule = {"apiGroups": [group], "resources": resources, "verbs": verbs}
        await self.set_rules([*(await self.role())["rules"], rule])

    async def set_rules(self, rules: list[dict[str, Any]]) -> None:
        """Set the rules of the role of alertdrill."""
        before = (await self.role())["rules"]
        await self.api.patch(_PATHS["Role"].format(self.name) + "/alertdrill", {"rules": rules})
        await self.until_permitted(rules, [rule for rule in before if rule not in rules])

    async def until_permitted(self, rules: list[dict[str, Any]], gone: Sequence[dict[str, Any]] = ()) -> None:
        """Wait until the API server judges by some rules, and by others no more: it learns of a change a moment later."""
        path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
        async with KubernetesApi(self.kubeconfig) as ours:

            async def is_known() -> bool:
                try:
                    found = (await ours.create(path, {"spec": {"namespace": self.name}}))["status"]["resourceRules"]
                except ApiRefused:
                    return False
                return all(rule in found for rule in rules) and not any(rule in found for rule in gone)

            await until(is_known, "the API server knows the role")

    def opened(self, **changes: Any) -> dict[str, Any]:
        """Write the section `kubernetes` of agent.yml."""
        return {"kubeconfig": str(self.kubeconfig), "namespaces": [self.name]} | changes

    def endpoints(self, **changes: Any) -> Endpoints:
        """Return the endpoints for faults."""
        return Endpoints(toxiproxy_url=NOWHERE, kubernetes=Kubernetes.model_validate(self.opened(**changes)))

    async def deploy(self, name: str = "engine", replicas: int = 3, seconds: float = 180.0, **metadata: Any) -> None:
        """Run a Deployment, and wait until all of it is Ready."""
        await self.api.create(self.path("deployments", ""), deployment(name, replicas, **metadata))

        async def is_whole() -> bool:
            status = (await self.api.get(self.path("deployments", name)))["status"]
            return bool(status.get("readyReplicas", 0) == status.get("updatedReplicas", 0) == replicas)

        await until(is_whole, f"{name} is Ready", seconds)

    async def run(self, resource: str, name: str = "engine", **spec: Any) -> None:
        """Run a StatefulSet or a DaemonSet, and wait until all of its pods are Ready."""
        body = {"selector": {"matchLabels": {"app": name}}, "template": template(name)} | spec
        await self.api.create(self.path(resource, ""), {"metadata": {"name": name}, "spec": body})
        count = spec.get("replicas", len(await self.api.listed("/api/v1/nodes")))
        await until(lambda: self.has_ready(count, name), f"{name} is Ready")

        async def is_known() -> bool:
            status = (await self.api.get(self.path(resource, name)))["status"]
            return bool(status.get("numberReady", status.get("readyReplicas")) == count)

        await until(is_known, f"the controller of {name} knows that")

    async def run_job(self, name: str, parallelism: int = 1, **spec: Any) -> None:
        """Run a Job whose pods stay Ready: on a node, kwok would end them at once."""
        never = template(name, restartPolicy="Never", **NO_NODE)
        body = {"parallelism": parallelism, "completions": parallelism, "template": never} | spec
        await self.api.create(f"/apis/batch/v1/namespaces/{self.name}/jobs", {"metadata": {"name": name}, "spec": body})
        await self.job_is_ready(name, parallelism)

    async def job_is_ready(self, name: str, count: int) -> None:
        """Wait until a Job has as many pods, and make them Ready."""

        async def are_there() -> bool:
            return len(await self.pods(name)) == count

        await until(are_there, f"{name} has its pods")
        for pod in await self.pods_of(name):
            now = {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": _now()}],
            }
            await self.set_status(pod, now)

    async def pods_of(self, name: str) -> list[dict[str, Any]]:
        """List the pods that are not about to end."""
        found = await self.api.listed(f"/api/v1/namespaces/{self.name}/pods?labelSelector=app={name}")
        return [one for one in found if "deletionTimestamp" not in one["metadata"]]

    async def set_status(self, pod: dict[str, Any], status: dict[str, Any]) -> None:
        """Set the status of a pod, as its node does."""
        path = f"/api/v1/namespaces/{self.name}/pods/{pod['metadata']['name']}/status"
        await self.api.patch(path, {"status": status})

    async def release(self, resource: str, name: str = "engine", **spec: Any) -> None:
        """Change the template of a workload's pods, as a person does who rolls out another release."""
        await self.api.patch(self.path(resource, name), {"spec": {"template": {"spec": spec}}})

    async def scale(self, replicas: int, resource: str = "deployments") -> None:
        """Set a number of replicas, as a person or an autoscaler does."""
        await self.api.patch(self.path(resource) + "/scale", {"spec": {"replicas": replicas}})

    async def budget(self, at_least: int) -> None:
        """Set a PodDisruptionBudget for the engine, and wait until it is counted."""
        path = f"/apis/policy/v1/namespaces/{self.name}/poddisruptionbudgets"
        spec = {"minAvailable": at_least, "selector": {"matchLabels": {"app": "engine"}}}
        await self.api.create(path, {"metadata": {"name": "engine-budget"}, "spec": spec})

        async def counted() -> bool:
            status = (await self.api.get(f"{path}/engine-budget"))["status"]
            # Each in its own time: the pods that there should be, and those that are healthy.
            return bool(status.get("expectedPods", 0) == status.get("currentHealthy", 0) > 0)

        await until(counted, "the budget counts the pods")

    async def removed(self, name: str = "engine") -> None:
        """Remove a Deployment if it is there, and wait until its pods are gone."""
        with suppress(ApiRefused):
            await self.api.delete(self.path("deployments", name))
        await until(lambda: self.has_ready(0, name), f"the pods of {name} are gone")

    def path(self, resource: str, name: str = "engine") -> str:
        """Return the path of an object of apps/v1."""
        return f"/apis/apps/v1/namespaces/{self.name}/{resource}/{name}".rstrip("/")

    async def workload(self) -> Any:
        """Read the engine."""
        return await self.api.get(self.path("deployments"))

    async def says(self, resource: str = "deployments", **status: int) -> bool:
        """Return whether the controller of the engine has seen its last change, and tells so many replicas."""
        now = await self.api.get(self.path(resource))
        seen = now["status"].get("observedGeneration") == now["metadata"]["generation"]
        return bool(seen and {key: now["status"].get(key, 0) for key in status} == status)

    async def pods(self, name: str = "engine") -> set[str]:
        """List the uids of the pods that are not about to end."""
        return {one["metadata"]["uid"] for one in await self.pods_of(name)}

    @asynccontextmanager
    async def without_nodes(self) -> AsyncIterator[None]:
        """Cordon every node for the length of the block, which begins when the scheduler knows it."""
        names = [node["metadata"]["name"] for node in await self.api.listed("/api/v1/nodes")]
        try:
            for name in names:
                await self.api.patch(f"/api/v1/nodes/{name}", {"spec": {"unschedulable": True}})
            await until(self._finds_no_node, "a new pod finds no node")
            yield
        finally:
            for name in names:
                await self.api.patch(f"/api/v1/nodes/{name}", {"spec": {"unschedulable": None}})

    async def _finds_no_node(self) -> bool:
        """Return whether the scheduler finds no node for a pod, which is removed again."""
        pods = f"/api/v1/namespaces/{self.name}/pods"
        await self.api.create(pods, {"metadata": {"name": "tries"}} | {"spec": template("tries")["spec"]})

        async def is_decided() -> bool:
            pod = await self.api.get(f"{pods}/tries")
            return "nodeName" in pod["spec"] or _condition(pod, "PodScheduled") == "False"

        await until(is_decided, "the scheduler has looked at a pod")
        found = "nodeName" in (await self.api.get(f"{pods}/tries"))["spec"]
        await self.api.delete(f"{pods}/tries?gracePeriodSeconds=0")
        return not found

    async def has_ready(self, count: int, name: str = "engine") -> bool:
        """Return whether there are exactly this many pods, all Ready."""
        return await _has_ready(self.api, self.name, count, name)

    async def require_ready(self, count: int, name: str = "engine") -> None:
        """Assert that so many pods are Ready now, and wait until no others are left: a node takes its time to end one."""
        assert len([pod for pod in await self.pods_of(name) if _is_ready(pod)]) == count
        await until(lambda: self.has_ready(count, name), f"no other pods of {name} are left")


async def _has_ready(api: KubernetesApi, namespace: str, count: int, name: str = "engine") -> bool:
    found = await api.listed(f"/api/v1/namespaces/{namespace}/pods?labelSelector=app={name}")
    ready = [pod for pod in found if _is_ready(pod) and "deletionTimestamp" not in pod["metadata"]]
    return len(ready) == len(found) == count


def _is_ready(pod: dict[str, Any]) -> bool:
    return _condition(pod, "Ready") == "True"


def _condition(pod: dict[str, Any], kind: str) -> str:
    conditions = pod["status"].get("conditions", [])
    return next((str(one["status"]) for one in conditions if one["type"] == kind), "")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _written(file: str, namespace: str) -> list[dict[str, Any]]:
    text = (CONFIGS / file).read_text(encoding="utf-8").replace(": shop", f": {namespace}")
    return list(yaml.safe_load_all(text))


async def _until_open(api: KubernetesApi, namespace: str) -> None:
    """Wait until a new namespace has the service account with which its pods are made."""
    await api.until(f"/api/v1/namespaces/{namespace}/serviceaccounts/default", 180)
