from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertdrill.probes.checks.json_path import MISSING, compile_path

DOCUMENT = {
    "status": "ok",
    "null": None,
    "a": {"b": [{"c": 1}, {"c": 2}], "0": "zero"},
    "a.b": "dotted",
    "content-type": "json",
    "$ref": "here",
    "it's": "quoted",
    "naïve key": True,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", DOCUMENT),
        ("$.status", "ok"),
        ("status", "ok"),
        ("$.null", None),
        ("$.a.b[0].c", 1),
        ("a.b[0].c", 1),
        ("a.b.1.c", 2),
        ("a.b[-1].c", 2),
        ("$['a']['b'][1]['c']", 2),
        ('$["a.b"]', "dotted"),
        (r"a\.b", "dotted"),
        ("['a.b']", "dotted"),
        ("a.0", "zero"),
        ("content-type", "json"),
        ("$ref", "here"),
        (r"$['it\'s']", "quoted"),
        ("naïve key", True),
    ],
)
def test_a_path_leads_to_its_value(path: str, value: object) -> None:
    assert compile_path(path)(DOCUMENT) == value


@pytest.mark.parametrize(
    "path", ["nothing", "status.more", "a.b[2]", "a.b[-3]", "a.b.c", "a[0]", "null.more", "a.b[0].c.d", "[0]"]
)
def test_a_path_without_a_value_gives_missing(path: str) -> None:
    assert compile_path(path)(DOCUMENT) is MISSING


@pytest.mark.parametrize("document", ["text", 1, None, [], True])
def test_only_a_mapping_has_keys(document: object) -> None:
    assert compile_path("$.a")(document) is MISSING


@pytest.mark.parametrize(
    ("path", "character"),
    [
        ("", 1),
        ("$.", 2),
        ("$..a", 2),
        ("$.a..b", 4),
        ("a.*", 2),
        ("a[*]", 2),
        ("a[x]", 2),
        ("a[0", 2),
        ("a.#", 2),
        ("a[?(@.b)]", 2),
        ("$['a", 2),
        (".a", 1),
        ("a[0]b", 5),
    ],
)
def test_a_wrong_path_is_refused_with_its_position(path: str, character: int) -> None:
    with pytest.raises(ValueError, match=f"not a JSON path from character {character} on"):
        compile_path(path)


def places(document: Any, path: str = "$") -> list[tuple[str, Any]]:
    here = [(path, document)]
    if isinstance(document, dict):
        for key, value in document.items():
            escaped = key.replace("\\", "\\\\").replace("'", "\\'")
            here += places(value, f"{path}['{escaped}']")
    if isinstance(document, list):
        for index, value in enumerate(document):
            here += places(value, f"{path}[{index}]")
    return here


KEYS = st.text(st.characters(exclude_categories=["Cs"]))
DOCUMENTS = st.recursive(st.integers(), lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=8)


@given(DOCUMENTS)
def test_every_value_of_a_document_has_a_path(document: object) -> None:
    for path, value in places(document):
        assert compile_path(path)(document) == value


@given(st.text(max_size=12), DOCUMENTS)
def test_any_text_is_a_path_or_refused(text: str, document: object) -> None:
    try:
        find = compile_path(text)
    except ValueError:
        return
    found = find(document)
    assert found is MISSING or json.dumps(found) in json.dumps(document)
