"""The files that the programs of a control plane read: users and their tokens, kubeconfigs, nodes, kwok's stages."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

# The group of each user. Kubernetes has built-in roles for the last two; the administrator's group may do everything.
_GROUPS = {"admin": "system:masters", "system:kube-controller-manager": "", "system:kube-scheduler": ""}


def write_tokens(path: Path) -> dict[str, str]:
    """Write a token for each user; returns {user: token}."""
    tokens = {user: secrets.token_urlsafe(24) for user in _GROUPS}
    path.touch(mode=0o600)
    lines = [f'{token},{user},{user},"{_GROUPS[user]}"' for user, token in tokens.items()]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return tokens


def write_kubeconfig(path: Path, server: str, authority: Path, token: str) -> None:
    """Write a kubeconfig with the API server's address and a token; its context is named `lab`."""
    written: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": {"server": server, "certificate-authority": str(authority)}}],
        "users": [{"name": "lab", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
    }
    path.touch(mode=0o600)
    # JSON is YAML.
    path.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")


def node(name: str) -> dict[str, Any]:
    """Return a node that kwok simulates."""
    capacity = {"cpu": "32", "memory": "64Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "kwok"},
        },
        "status": {"allocatable": capacity, "capacity": capacity},
    }


def write_stages(folder: Path, shipped: Sequence[Path]) -> list[Path]:
    """Write the stages of kwok, so that no pod becomes Ready whose image is of a registry that cannot exist (`.invalid`)."""
    missing = {"key": '.spec.containers.[].image | select(test("^[^/]+[.]invalid/"))', "operator": "DoesNotExist"}
    written = []
    for path in shipped:
        stage = yaml.safe_load(path.read_text(encoding="utf-8"))
        if stage["metadata"]["name"] == "pod-ready":
            stage["spec"]["selector"]["matchExpressions"].append(missing)
        written.append(folder / path.name)
        written[-1].write_text(json.dumps(stage), encoding="utf-8")
    return written
