"""Alertmanager's routing tree, compared with the results of amtool for the shipped one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from alertdrill.agent.rules.routing import routes

SHIPPED = Path(__file__).parents[3] / "configs/alertmanager/alertmanager.yml"
TREE = """
route:
  receiver: default
  group_wait: 10s
  routes:
    - matchers: ['team=~"pay.*"', severity!="info"]
      receiver: pay
      continue: true
      routes:
        - match: {severity: critical}
          receiver: pager
          group_wait: 0s
    - match_re: {team: "pay|core"}
      receiver: mail
      group_interval: 1h
    - matchers: [team!~"a|b"]
      receiver: rest
"""


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"team": "payments", "severity": "critical"}, ["pager", "rest"]),
        ({"team": "pay", "severity": "warning"}, ["pay", "mail"]),
        ({"team": "pay", "severity": "info"}, ["mail"]),
        ({"team": "a"}, ["default"]),
        ({}, ["rest"]),
    ],
)
def test_the_first_child_that_matches_takes_an_alert_unless_it_continues(
    labels: dict[str, str], receivers: list[str]
) -> None:
    assert [route.receiver for route in routes(TREE, labels)] == receivers


def test_waits_are_inherited() -> None:
    pager, _ = routes(TREE, {"team": "payments", "severity": "critical"})
    mail = routes(TREE, {"team": "core"})[0]
    assert (pager.group_wait.total_seconds(), pager.group_interval.total_seconds()) == (0, 300)
    assert (mail.group_wait.total_seconds(), mail.group_interval.total_seconds()) == (10, 3600)


@pytest.mark.parametrize("severity", ["critical", "warning", "info", "other"])
def test_the_shipped_tree_is_walked_as_amtool_walks_it(severity: str) -> None:
    told = subprocess.run(
        ["amtool", "config", "routes", "test", f"--config.file={SHIPPED}", f"severity={severity}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert [r.receiver for r in routes(SHIPPED.read_text(), {"severity": severity})] == told.split(",")
