"""Kubernetes' own files among ours: `kubectl` checks them, and one file may hold several."""

from __future__ import annotations

from pathlib import Path

import yaml


def holds_others(path: Path) -> bool:
    """Tell whether a file holds nothing but Kubernetes objects that are not ours to check, as PrometheusRules are."""
    try:
        documents = [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one is not None]
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        # Whoever reads it next says what is wrong with it.
        return False
    return bool(documents) and all(map(_is_others, documents))


def _is_others(document: object) -> bool:
    if not isinstance(document, dict) or not {"apiVersion", "kind"} <= document.keys():
        return False
    return bool(document["kind"] != "PrometheusRule")
