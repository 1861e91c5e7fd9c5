"""A real API server accepts every object in configs/kubernetes, without one unknown field, in a restricted namespace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from alertdrill.lab.kubernetes.api import ApiRefused, KubernetesApi
from tests.deployment.test_manifests import service_with_sidecar
from tests.support.cluster import LABEL
from tests.support.kustomization import MANIFESTS, Object, pod_of, rendered
from tests.support.waiting import until

NAMESPACE = "manifests"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
PLURALS = {"NetworkPolicy": "networkpolicies"}
DURATION = {"type": "string", "pattern": "^(0|(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$"}
TEXT, TEXTS = {"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}


def fields(**known: Any) -> dict[str, Any]:
    return {"type": "object", "properties": known}


def several(**known: Any) -> dict[str, Any]:
    return {"type": "array", "items": fields(**known)}


RULE = {"alert": TEXT, "expr": TEXT, "for": DURATION, "labels": TEXTS, "annotations": TEXTS}
# The fields of the Prometheus operator's resources that configs/kubernetes uses, and no others.
OPERATED = {
    "PodMonitor": fields(
        selector=fields(matchLabels=TEXTS),
        podMetricsEndpoints=several(
            port=TEXT, path=TEXT, interval=DURATION, relabelings=several(targetLabel=TEXT, replacement=TEXT)
        ),
    ),
    "PrometheusRule": fields(groups=several(name=TEXT, interval=DURATION, rules=several(**RULE))),
}


def definition(kind: str) -> Object:
    """Describe a resource of the operator to the API server."""
    plural = f"{kind.lower()}s"
    schema = fields(spec=OPERATED[kind])
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [version],
        },
    }


def path_of(one: Object) -> str:
    version = one["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = PLURALS.get(one["kind"], f"{one['kind'].lower()}s")
    return f"{root}/namespaces/{NAMESPACE}/{plural}"


async def tried(api: KubernetesApi, one: Object) -> Any:
    """Let the API server do all but keep an object; an unknown field is an error."""
    placed = one | {"metadata": one["metadata"] | {"namespace": NAMESPACE}}
    return await api.create(f"{path_of(one)}?dryRun=All&fieldValidation=Strict", placed)


@pytest.fixture(scope="module")
async def restricted(api: KubernetesApi) -> AsyncIterator[KubernetesApi]:
    """A namespace whose pods may have no rights, and the definitions of the operator's resources."""
    await api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE, "labels": LABEL | RESTRICTED}})
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for kind in OPERATED:
        await api.create(crds, definition(kind))

    async def is_open() -> bool:
        try:
            await api.get(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default")
            for kind in OPERATED:
                await api.listed(path_of({"apiVersion": "monitoring.coreos.com/v1", "kind": kind}))
        except ApiRefused:
            return False
        return True

    await until(is_open, "the definitions are known")
    yield api
    for kind in OPERATED:
        await api.delete(f"{crds}/{kind.lower()}s.monitoring.coreos.com")
    await api.delete(f"/api/v1/namespaces/{NAMESPACE}")


@pytest.mark.parametrize("name", [".", "cronjob", "monitoring", "sidecar"])
async def test_the_api_server_accepts_every_object(restricted: KubernetesApi, tmp_path: Path, name: str) -> None:
    for one in rendered(service_with_sidecar(tmp_path) if name == "sidecar" else MANIFESTS / name):
        accepted = await tried(restricted, one)
        assert accepted["metadata"]["name"] == one["metadata"]["name"]


@pytest.mark.parametrize("name", [".", "cronjob", "sidecar"])
async def test_its_pods_may_run_in_a_restricted_namespace(restricted: KubernetesApi, tmp_path: Path, name: str) -> None:
    objects = rendered(service_with_sidecar(tmp_path) if name == "sidecar" else MANIFESTS / name)
    (template,) = filter(None, map(pod_of, objects))
    spec = template["spec"] | {"serviceAccountName": "default"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "agent"}, "spec": spec}
    accepted = await tried(restricted, pod)
    sidecars = [one["name"] for one in accepted["spec"].get("initContainers", []) if one.get("restartPolicy")]
    assert sidecars == (["toxiproxy", "alertdrill"] if name == "sidecar" else [])
    containers: list[Object] = [*spec.get("initContainers", []), *spec["containers"]]
    del containers[0]["securityContext"]["allowPrivilegeEscalation"]
    with pytest.raises(ApiRefused, match="violates PodSecurity"):
        await tried(restricted, pod)


async def test_an_unknown_field_is_refused(restricted: KubernetesApi) -> None:
    """Otherwise the tests above would prove nothing."""
    (monitor, _) = rendered(MANIFESTS / "monitoring")
    monitor["spec"]["podMetricsEndpoints"][0]["intervall"] = "15s"
    with pytest.raises(ApiRefused, match="unknown field"):
        await tried(restricted, monitor)
