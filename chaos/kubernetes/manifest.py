"""Manifests: YAML files as `kubectl apply` reads them, with objects of one namespace. Pure, apart from the reading."""

from __future__ import annotations

from pathlib import Path

from alertdrill.chaos.kubernetes.place import Object
from alertdrill.units import yaml_text

# The ledger keeps the objects in plain text.
_REFUSED = {"Secret": "its contents would be in the ledger in plain text"}


def read(path: Path, namespace: str) -> list[Object]:
    """Read the objects of a file and put them into a namespace; raises ValueError that says what is wrong."""
    try:
        documents = yaml_text.load_all(yaml_text.read_text(path))
    except (OSError, yaml_text.YamlRefused) as error:
        msg = f"the manifest {path} cannot be read: {error}"
        raise ValueError(msg) from error
    if not documents:
        msg = f"the manifest {path} is empty, expected at least one object"
        raise ValueError(msg)
    return [_checked(document, f"the manifest {path}", namespace) for document in documents]


def _checked(document: object, what: str, namespace: str) -> Object:
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(metadata, dict):
        msg = f"{what} does not hold objects, expected a mapping with apiVersion, kind and metadata"
        raise ValueError(msg)  # noqa: TRY004 - pydantic collects ValueErrors
    for holder, key in ((document, "apiVersion"), (document, "kind"), (metadata, "name")):
        if not isinstance(holder.get(key), str):
            msg = f"{what} has an object without {key}"
            raise ValueError(msg)  # noqa: TRY004 - as above
    words = f"{document['kind']} {metadata['name']}"
    if metadata.get("namespace", namespace) != namespace:
        msg = f"{what} has {words} in namespace {metadata['namespace']}, expected {namespace}, which is the fault's"
        raise ValueError(msg)
    if document["kind"] in _REFUSED:
        msg = f"{what} has {words}: {_REFUSED[document['kind']]}"
        raise ValueError(msg)
    return document | {"metadata": metadata | {"namespace": namespace}}
