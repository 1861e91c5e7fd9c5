"""Manifests: YAML files as `kubectl apply` reads them, with objects of one namespace. Pure, apart from the reading.

A manifest may hold secrets anywhere, so no error repeats a value: it names the object and the key.
"""

from __future__ import annotations

import re
from pathlib import Path

from alertdrill.chaos.kubernetes.place import Object
from alertdrill.units import yaml_text
from alertdrill.units.secrecy import without

_REFUSED = {"Secret": "a drill's manifest lies in plain text beside the drill"}
# Only the API server sets these; a file has them when it was read from a cluster.
_OF_THE_SERVER = ("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "managedFields")
_WORDS = re.compile(r"[^\s\[\]{}\"',:&*!|>]+")
_PLAIN = (str, int, float, bool, type(None))


def read(path: Path, namespace: str) -> list[Object]:
    """Read the objects of a file and put them into a namespace; raises ValueError that says what is wrong."""
    what = f"the manifest {path}"
    documents = _documents(path, what)
    if not documents:
        msg = f"{what} is empty, expected at least one object"
        raise ValueError(msg)
    objects = [_checked(document, what, namespace) for document in documents]
    _require_different(objects, what)
    return objects


def words(one: Object) -> str:
    """Return the object of a manifest, in words."""
    return f"{one['kind']} {one['metadata']['name']}"


def _documents(path: Path, what: str) -> list[object]:
    text = ""
    try:
        text = yaml_text.read_text(path)
        nodes = yaml_text.compose(text)
    except (OSError, yaml_text.YamlRefused) as error:
        msg = f"{what} cannot be read: {_without_line(error, text)}"
        raise ValueError(msg) from None
    try:
        return [yaml_text.construct(node) for node in nodes]
    except yaml_text.YamlRefused as error:
        msg = f"{what} cannot be read: a value of the object at line {error.line} does not fit its tag or its form"
        raise ValueError(msg) from None


def _without_line(error: Exception, text: str) -> str:
    """Return an error without what the line that it names holds."""
    number = getattr(error, "line", None)
    lines = text.splitlines()
    held = lines[number - 1] if number is not None and number <= len(lines) else ""
    return without(str(error), _WORDS.findall(held))


def _checked(document: object, what: str, namespace: str) -> Object:
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(metadata, dict):
        msg = f"{what} does not hold objects, expected a mapping with apiVersion, kind and metadata"
        raise ValueError(msg)  # noqa: TRY004 - pydantic collects ValueErrors
    for holder, key in ((document, "apiVersion"), (document, "kind"), (metadata, "name")):
        if not isinstance(holder.get(key), str):
            msg = f"{what} has an object without {key}"
            raise ValueError(msg)  # noqa: TRY004 - as above
    if problem := _problem(document, metadata, namespace):
        msg = f"{what} has {words(document)}{problem}"
        raise ValueError(msg)
    return document | {"metadata": metadata | {"namespace": namespace}}


def _problem(document: Object, metadata: Object, namespace: str) -> str:
    there = metadata.get("namespace", namespace)
    if not isinstance(there, str):
        return " with a namespace that is not text"
    if there != namespace:
        return f" in namespace {there}, expected {namespace}, which is the fault's"
    if document["kind"] in _REFUSED:
        return f": {_REFUSED[document['kind']]}"
    if found := [key for key in _OF_THE_SERVER if metadata.get(key) is not None]:
        return f" with metadata.{found[0]}, which only the API server sets: remove it"
    for key in ("labels", "annotations"):
        if problem := _not_text(metadata.get(key), key):
            return problem
    where = _not_plain(document, "")
    return f" with a date, bytes or a set at {where}: put the value in quotes" if where else ""


def _not_text(pairs: object, key: str) -> str:
    """Return why labels or annotations are not a mapping of text to text; an empty text when they are, or are missing."""
    if pairs is None:
        return ""
    if not isinstance(pairs, dict):
        return f" whose {key} are not a mapping, expected `{key}: {{name: text}}`"
    for name, value in pairs.items():
        if not isinstance(name, str) or not isinstance(value, str):
            return f" with {key}.{name} that is not text: put it in quotes"
    return ""


def _not_plain(value: object, where: str) -> str:
    """Return where a value is that JSON does not have; an empty text when there is none."""
    if isinstance(value, dict):
        inside = [(f"{where}.{key}", one) for key, one in value.items()]
    elif isinstance(value, list):
        inside = [(f"{where}[{number}]", one) for number, one in enumerate(value)]
    else:
        return "" if isinstance(value, _PLAIN) else where.removeprefix(".")
    return next((found for path, one in inside if (found := _not_plain(one, path))), "")


def _require_different(objects: list[Object], what: str) -> None:
    """Raise ValueError when an object is named twice, also in two versions of its API."""
    seen = set()
    for one in objects:
        key = one["apiVersion"].rpartition("/")[0], one["kind"], one["metadata"]["name"]
        if key in seen:
            msg = f"{what} has {words(one)} twice, expected each object once"
            raise ValueError(msg)
        seen.add(key)
