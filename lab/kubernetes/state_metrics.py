"""Metrics of Kubernetes objects, with the names and labels of kube-state-metrics, for the objects that faults change.

`python -m alertdrill.lab.kubernetes.state_metrics --kubeconfig FILE --listen ADDRESS` reads the API server at each scrape.
Names: https://github.com/kubernetes/kube-state-metrics/tree/main/docs
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from alertdrill.lab.errors import LabError
from alertdrill.lab.kubernetes.api import ApiRefused, KubernetesApi

Object = dict[str, Any]
Samples = list[tuple[tuple[str, ...], float]]

_PHASES = ("Pending", "Succeeded", "Failed", "Unknown", "Running")
_STATUSES = ("true", "false", "unknown")
_PATHS = {
    "pods": "/api/v1/pods",
    "nodes": "/api/v1/nodes",
    "deployments": "/apis/apps/v1/deployments",
    "statefulsets": "/apis/apps/v1/statefulsets",
    "budgets": "/apis/policy/v1/poddisruptionbudgets",
}
_POD = ("namespace", "pod", "uid")


def metrics(objects: Mapping[str, list[Object]]) -> list[Metric]:
    """Return the metrics of objects, which are given by kind (the keys of _PATHS); pure."""
    return [
        *_of_pods(objects["pods"]),
        *_of_nodes(objects["nodes"]),
        *_numbers("deployment", objects["deployments"], _DEPLOYMENT),
        *_numbers("statefulset", objects["statefulsets"], _STATEFULSET),
        *_numbers("poddisruptionbudget", objects["budgets"], _BUDGET),
    ]


# The part of a metric's name after kube_KIND_, and how to read its value from an object.
_DEPLOYMENT: dict[str, Callable[[Object], float]] = {
    "spec_replicas": lambda one: one["spec"].get("replicas", 1),
    "status_replicas": lambda one: one["status"].get("replicas", 0),
    "status_replicas_available": lambda one: one["status"].get("availableReplicas", 0),
    "status_replicas_ready": lambda one: one["status"].get("readyReplicas", 0),
    "status_replicas_unavailable": lambda one: one["status"].get("unavailableReplicas", 0),
    "status_replicas_updated": lambda one: one["status"].get("updatedReplicas", 0),
    "status_observed_generation": lambda one: one["status"].get("observedGeneration", 0),
    "metadata_generation": lambda one: one["metadata"].get("generation", 0),
    "created": lambda one: _seconds(one["metadata"]["creationTimestamp"]),
}
_STATEFULSET: dict[str, Callable[[Object], float]] = {
    "replicas": lambda one: one["spec"].get("replicas", 1),
    "status_replicas": lambda one: one["status"].get("replicas", 0),
    "status_replicas_available": lambda one: one["status"].get("availableReplicas", 0),
    "status_replicas_ready": lambda one: one["status"].get("readyReplicas", 0),
    "status_replicas_updated": lambda one: one["status"].get("updatedReplicas", 0),
}
_BUDGET: dict[str, Callable[[Object], float]] = {
    "status_current_healthy": lambda one: one["status"].get("currentHealthy", 0),
    "status_desired_healthy": lambda one: one["status"].get("desiredHealthy", 0),
    "status_pod_disruptions_allowed": lambda one: one["status"].get("disruptionsAllowed", 0),
    "status_expected_pods": lambda one: one["status"].get("expectedPods", 0),
}


def _numbers(kind: str, objects: list[Object], table: Mapping[str, Callable[[Object], float]]) -> Iterable[Metric]:
    for name, number in table.items():
        samples = [((one["metadata"]["namespace"], one["metadata"]["name"]), number(one)) for one in objects]
        yield _gauge(f"kube_{kind}_{name}", ("namespace", kind), samples)


def _of_pods(pods: list[Object]) -> Iterable[Metric]:
    yield _gauge(
        "kube_pod_info",
        (*_POD, "node", "host_ip", "pod_ip", "created_by_kind", "created_by_name"),
        [((*_pod(one), *_place(one), *_owner(one)[:2]), 1) for one in pods],
    )
    yield _gauge(
        "kube_pod_owner",
        (*_POD, "owner_kind", "owner_name", "owner_is_controller"),
        [((*_pod(one), *_owner(one)), 1) for one in pods],
    )
    yield _gauge(
        "kube_pod_status_phase",
        (*_POD, "phase"),
        [((*_pod(one), phase), one["status"].get("phase") == phase) for one in pods for phase in _PHASES],
    )
    for name, condition in {"ready": "Ready", "scheduled": "PodScheduled"}.items():
        yield _gauge(
            f"kube_pod_status_{name}",
            (*_POD, "condition"),
            [
                ((*_pod(one), status), found == status)
                for one in pods
                for found in _conditions(one, condition)
                for status in _STATUSES
            ],
        )
    yield from _of_containers(pods)


def _of_containers(pods: list[Object]) -> Iterable[Metric]:
    labels = (*_POD, "container")
    containers = [(pod, one) for pod in pods for one in pod["status"].get("containerStatuses", [])]
    restarts = CounterMetricFamily("kube_pod_container_status_restarts", "", labels=labels)
    for pod, one in containers:
        restarts.add_metric((*_pod(pod), one["name"]), one.get("restartCount", 0))
    yield restarts
    for name, holds in _CONTAINER.items():
        samples = [((*_pod(pod), one["name"]), holds(one)) for pod, one in containers]
        yield _gauge(f"kube_pod_container_status_{name}", labels, samples)


_CONTAINER: dict[str, Callable[[Object], bool]] = {
    "ready": lambda one: bool(one.get("ready")),
    "running": lambda one: "running" in one.get("state", {}),
    "waiting": lambda one: "waiting" in one.get("state", {}),
    "terminated": lambda one: "terminated" in one.get("state", {}),
}


def _of_nodes(nodes: list[Object]) -> Iterable[Metric]:
    yield _gauge(
        "kube_node_status_condition",
        ("node", "condition", "status"),
        [
            ((node["metadata"]["name"], one["type"], status), one["status"].lower() == status)
            for node in nodes
            for one in node["status"].get("conditions", [])
            for status in _STATUSES
        ],
    )
    cordoned = [((node["metadata"]["name"],), bool(node["spec"].get("unschedulable"))) for node in nodes]
    yield _gauge("kube_node_spec_unschedulable", ("node",), list(cordoned))


def _gauge(name: str, labels: tuple[str, ...], samples: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(name, "", labels=labels)
    for values, number in samples:
        family.add_metric(values, float(number))
    return family


def _pod(pod: Object) -> tuple[str, str, str]:
    metadata = pod["metadata"]
    return metadata["namespace"], metadata["name"], metadata["uid"]


def _place(pod: Object) -> tuple[str, str, str]:
    status = pod["status"]
    return pod["spec"].get("nodeName", ""), status.get("hostIP", ""), status.get("podIP", "")


def _owner(pod: Object) -> tuple[str, str, str]:
    for one in pod["metadata"].get("ownerReferences", []):
        if one.get("controller"):
            return one["kind"], one["name"], "true"
    return "", "", ""


def _conditions(pod: Object, kind: str) -> list[str]:
    return [one["status"].lower() for one in pod["status"].get("conditions", []) if one["type"] == kind]


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


class _FixedMetrics(Collector):
    """Metrics that were computed before."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def metrics_page(objects: Mapping[str, list[Object]]) -> bytes:
    """Return the metrics of objects in Prometheus's text format; pure."""
    registry = CollectorRegistry()
    registry.register(_FixedMetrics(metrics(objects)))
    return generate_latest(registry)


def _application(api: KubernetesApi) -> web.Application:
    async def scraped(_: web.Request) -> web.Response:
        try:
            objects = {kind: await api.listed(path) for kind, path in _PATHS.items()}
        except (ApiRefused, LabError) as error:
            # Prometheus then records the target as down, which is right: the state of the objects is unknown.
            return web.Response(status=503, text=f"{error}\n")
        return web.Response(body=metrics_page(objects), content_type="text/plain", charset="utf-8")

    async def connected(_: web.Application) -> Any:  # noqa: ANN401 - an asynchronous generator, as aiohttp expects
        async with api:
            yield

    application = web.Application()
    application.router.add_get("/metrics", scraped)
    application.cleanup_ctx.append(connected)
    return application


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="python -m alertdrill.lab.kubernetes.state_metrics", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--listen", default="127.0.0.1:8080")
    options = parser.parse_args()
    host, port = options.listen.rsplit(":", 1)
    web.run_app(_application(KubernetesApi(options.kubeconfig)), host=host, port=int(port), print=None, access_log=None)


if __name__ == "__main__":
    main()
