"""Reads the kustomizations of configs/kubernetes as kustomize does, as far as they use it; a test compares the two."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "configs/kubernetes"
_CLUSTER_WIDE = {"Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}

Object = dict[str, Any]


def rendered(folder: Path) -> list[Object]:
    """Return the objects of a kustomization, in its namespace."""
    read = yaml.safe_load((folder / "kustomization.yml").read_text(encoding="utf-8"))
    objects = list(_resources(folder, read))
    for component in read.get("components", []):
        added = yaml.safe_load((folder / component / "kustomization.yml").read_text(encoding="utf-8"))
        objects += _resources(folder / component, added)
        for patch in added.get("patches", []):
            objects = [_patched(one, folder / component, patch) for one in objects]
    return [_placed(one, read["namespace"]) for one in objects] if "namespace" in read else objects


def pod_of(one: Object) -> Object | None:
    """Return the template of the pods that an object makes."""
    spec = one.get("spec", {})
    if one["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template: Object | None = spec.get("template")
    return template


def _resources(folder: Path, read: Object) -> Iterator[Object]:
    for name in read.get("resources", []):
        yield from yaml.safe_load_all((folder / name).read_text(encoding="utf-8"))


def _patched(one: Object, folder: Path, patch: Object) -> Object:
    name, _, value = patch["target"]["labelSelector"].partition("=")
    labels = one["metadata"].get("labels", {})
    if one["kind"] != patch["target"]["kind"] or labels.get(name) != value:
        return one
    change = yaml.safe_load((folder / patch["path"]).read_text(encoding="utf-8"))
    return one | {"spec": _merged(one["spec"], change["spec"])}


def _merged(one: Any, change: Any) -> Any:
    if isinstance(one, dict) and isinstance(change, dict):
        return one | {key: _merged(one.get(key), value) for key, value in change.items()}
    if isinstance(one, list) and isinstance(change, list):
        return [*one, *change]
    return change


def _placed(one: Object, namespace: str) -> Object:
    if one["kind"] in _CLUSTER_WIDE:
        return one
    placed = one | {"metadata": one["metadata"] | {"namespace": namespace}}
    if "subjects" in one:
        placed["subjects"] = [subject | {"namespace": namespace} for subject in one["subjects"]]
    return placed
