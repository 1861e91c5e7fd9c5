from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alertdrill.agent.config.yaml_source import Source
from alertdrill.agent.import_k6.probe_yaml import render

TEXTS = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: "${" not in text)
SCALARS = st.one_of(
    TEXTS, st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.booleans()
)
DOCUMENTS = st.recursive(
    st.one_of(SCALARS, st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=8,
)


def read(text: str, directory: Path) -> Any:
    path = directory / "probe.yml"
    # write_text would convert some characters to other line breaks.
    path.write_bytes(text.encode())
    return Source(path).values


@given(body=DOCUMENTS, texts=st.tuples(TEXTS, TEXTS), headers=st.dictionaries(TEXTS, TEXTS, max_size=3), value=SCALARS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_written_values_are_read_back_equal(
    tmp_path: Path, body: Any, texts: tuple[str, str], headers: dict[str, str], value: Any
) -> None:
    text, name = texts
    request = {"url": text, "json": body, "headers": headers, "checks": [{"name": name, "equals": value}]}
    load = {"stages": [{"duration": "2m", "target": 5}]}
    thresholds = {"http_reqs": ["count>1", {"threshold": name, "abort_on_fail": True}], "checks": [text]}
    expected = {"probe": {"kind": "http"} | request, "load": load, "thresholds": thresholds}
    assert read(render(["A comment."], request, load, thresholds), tmp_path) == expected


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("two\nlines\n", "  body: |\n    two\n    lines\n"),
        ('{"a": 1}', "  body: '{\"a\": 1}'\n"),
        ("5", "  body: '5'\n"),
        ("yes", "  body: 'yes'\n"),
        ("plain text", "  body: plain text\n"),
        ("\x85", '  body: "\\N"\n'),
        ("ä" * 200, f"  body: {'ä' * 200}\n"),
    ],
)
def test_a_text_is_quoted_only_where_necessary(value: str, written: str) -> None:
    assert written in render([], {"body": value}, None, {})


def test_sections_are_separate_and_in_the_usual_order() -> None:
    request = {
        "checks": [{"status": [200, 201]}, {"name": "a", "time": "2s"}],
        "headers": {"A": "b"},
        "json": {"tags": ["a", "b"]},
        "method": "POST",
        "url": "http://shop/",
    }
    load = {"stages": [{"duration": "2m", "target": 100}]}
    thresholds = {"http_reqs": ["count>1"], "latency": [{"threshold": "avg<1s", "abort_on_fail": True}]}
    assert render(["One.", "Two."], request, load, thresholds) == (
        "# One.\n"
        "# Two.\n"
        "probe:\n"
        "  kind: http\n"
        "  url: http://shop/\n"
        "  method: POST\n"
        "  headers:\n"
        "    A: b\n"
        "  json:\n"
        "    tags:\n"
        "      - a\n"
        "      - b\n"
        "  checks:\n"
        "    - {status: [200, 201]}\n"
        "    - {name: a, time: 2s}\n"
        "\n"
        "load:\n"
        "  stages:\n"
        "    - {duration: 2m, target: 100}\n"
        "\n"
        "thresholds:\n"
        "  http_reqs: [count>1]\n"
        "  latency:\n"
        "    - {threshold: avg<1s, abort_on_fail: true}\n"
    )


def test_there_is_no_section_without_content() -> None:
    assert render([], {"url": "http://shop/"}, None, {}) == "probe:\n  kind: http\n  url: http://shop/\n"
