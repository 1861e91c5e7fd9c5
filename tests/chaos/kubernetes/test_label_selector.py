"""Labels are chosen as kubectl and the API server do."""

from __future__ import annotations

from typing import Any

import pytest

from alertdrill.chaos.kubernetes.label_selector import matches, parse

LABELS = {"app": "engine", "tier": "back", "example.com/release": "canary"}


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("app=engine", True),
        ("app==engine", True),
        ("app = engine , tier=back", True),
        ("app=engine,tier=front", False),
        ("app!=engine", False),
        ("zone!=a", True),
        ("app in (engine, shop)", True),
        ("app in (shop),tier=back", False),
        ("tier notin (front,middle),app=engine", True),
        ("zone notin (a)", True),
        ("example.com/release", True),
        ("zone", False),
        ("!zone", True),
        ("! app", False),
        ("zone=", False),
    ],
)
def test_a_selector_chooses_what_kubectl_would(text: str, *, chosen: bool) -> None:
    assert matches(parse(text), LABELS) is chosen


@pytest.mark.parametrize(
    "text", ["", " ", "=a", "app=engine,", "app in engine", "app in (a b)", "a b", "app>3", "-a=b"]
)
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="chooses no labels, expected for example app=engine"):
        parse(text)


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ({}, True),
        ({"matchLabels": {"app": "engine"}}, True),
        ({"matchLabels": {"app": "shop"}}, False),
        ({"matchLabels": None, "matchExpressions": None}, True),
        ({"matchLabels": {"app": "engine"}, "matchExpressions": [{"key": "zone", "operator": "Exists"}]}, False),
    ],
)
def test_a_selector_of_an_object_chooses_what_the_api_server_would(selector: dict[str, Any], *, chosen: bool) -> None:
    assert matches(selector, LABELS) is chosen
