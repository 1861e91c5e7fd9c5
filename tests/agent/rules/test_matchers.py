"""Alertmanager's matchers and routes in every notation, compared with the results of amtool."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from alertdrill.agent.rules.routing import RouteMatcher, parse_matchers, routes

TREE = r"""
route:
  receiver: rest
  group_by: [alertname]
  routes:
    - matchers: ['{team="a b", severity=~"warn|crit"}']
      receiver: braces
    - matchers: ['path=~"/x\\.y/.*"', 'say="a \"b\" , c"']
      receiver: quoted
    - matchers: [bare = value , other!=x]
      receiver: ""
    - match: {flag: true}
      match_re: {zone: eu-.*}
      receiver: flagged
      continue: false
      group_by:
      routes:
        - {matchers: [a="1"], receiver: deeper, continue: TRUE}
        - {matchers: [a="1"], receiver: other}
        - {matchers: ['b!~"1|"'], receiver: missing}
receivers: [{name: rest}, {name: braces}, {name: quoted}, {name: flagged}, {name: deeper}, {name: other}, {name: missing}]
"""


@pytest.mark.parametrize(
    "labels",
    [
        {"team": "a b", "severity": "warn"},
        {"team": "a b", "severity": "warning"},
        {"path": "/x.y/z", "say": 'a "b" , c'},
        {"path": "/xay/z", "say": 'a "b" , c'},
        {"bare": "value"},
        {"bare": "value", "other": "x"},
        {"flag": "true", "zone": "eu-1"},
        {"flag": "True", "zone": "eu-1"},
        {"flag": "true", "zone": "eu-1", "a": "1"},
        {"flag": "true", "zone": "eu-1", "b": "2"},
        {"flag": "true", "zone": "the eu-1"},
    ],
)
def test_an_alert_goes_where_amtool_says(labels: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(TREE)
    asked = [f"{name}={json.dumps(value)}" for name, value in labels.items()]
    told = subprocess.run(
        ["amtool", "config", "routes", "test", f"--config.file={file}", *asked],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert [route.receiver for route in routes(TREE, labels)] == told.split(",")


def test_a_route_inherits_fields_that_it_leaves_empty() -> None:
    (flagged,) = routes(TREE, {"flag": "true", "zone": "eu-1"})
    assert flagged.group_by == ("alertname",)


def test_mappings_may_be_merged() -> None:
    """YAML's `<<`, with which large configurations share settings between routes."""
    (route,) = routes("shared: &s {group_wait: 7s}\nroute: {<<: *s, receiver: r}", {})
    assert route.group_wait.total_seconds() == 7


def test_a_name_may_be_quoted() -> None:
    assert list(parse_matchers('{"my.label"="x"}')) == [RouteMatcher("my.label", "=", "x")]


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("", "has no `route`"),
        ("route:", "has no `route`"),
        ("[", "is not YAML"),
        ("a\0b", "is not YAML"),
        ("route: {routes: [{matchers: [severity]}]}", "is not a matcher"),
        ("route: {routes: [text]}", "does not have the form"),
        ("route: {routes: [{match_re: {a: '['}}]}", "is not a regular expression"),
        ("route: {group_wait: soon}", "is not a duration"),
    ],
)
def test_a_configuration_that_cannot_be_followed_says_so_in_one_line(config: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        routes(config, {})
    assert "\n" not in str(caught.value)
