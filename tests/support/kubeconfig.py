"""Kubeconfigs of a server that a test runs in the place of an API server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def kubeconfig(url: str, user: dict[str, Any]) -> str:
    """Return a kubeconfig with one cluster, and one user with these credentials."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "clusters": [{"name": "here", "cluster": {"server": url}}],
            "users": [{"name": "me", "user": user}],
        }
    )


def write_kubeconfig(folder: Path, url: str, user: dict[str, Any] | None = None) -> Path:
    """Write a kubeconfig into a folder; without credentials its user has a token."""
    path = folder / "kubeconfig"
    path.write_text(kubeconfig(url, user or {"token": "hush"}))
    return path
