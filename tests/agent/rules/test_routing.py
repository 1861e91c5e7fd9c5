"""Alertmanager's routing tree, compared with the results of amtool for the shipped one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from alertdrill.agent.rules.routing import calls, nearest_route, routes, webhook_problem

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


BASE = "http://127.0.0.1:9095/api/v1/webhook/"


def _with_webhooks(name: str, *webhooks: str) -> str:
    return f"receivers: [{{name: {name}, webhook_configs: [{', '.join(webhooks)}]}}]"


@pytest.mark.parametrize(
    ("name", "webhooks", "is_found", "is_certain"),
    [
        ("oncall", ["{url: http://127.0.0.1:9095/api/v1/webhook/oncall}"], True, True),
        ("oncall", ["{url: http://chat/x}", "{url: http://127.0.0.1:9095/api/v1/webhook/oncall}"], True, True),
        ("a/b c", ["{url: http://127.0.0.1:9095/api/v1/webhook/a%2Fb%20c}"], True, True),
        # At another address it may be this agent, behind a proxy, or another one.
        ("oncall", ["{url: http://agent:9095/api/v1/webhook/oncall}"], True, False),
        ("oncall", ["{url: https://proxy/drills/api/v1/webhook/oncall?team=a}"], True, False),
        # Newer servers mask it, and a file of the server cannot be read.
        ("oncall", ["{url: <secret>}"], True, False),
        ("oncall", ["{url_file: /etc/url}"], True, False),
        ("oncall", [], False, False),
        ("oncall", ["{url: http://chat/x}"], False, False),
        ("oncall", ["{url: http://agent:9095/api/v1/webhook/other}"], False, False),
        ("a/b", ["{url: http://agent:9095/api/v1/webhook/a/b}"], False, False),
    ],
)
def test_a_receiver_without_a_webhook_to_the_agent_is_found(
    name: str,
    webhooks: list[str],
    is_found: bool,  # noqa: FBT001 - of a table
    is_certain: bool,  # noqa: FBT001 - of a table
) -> None:
    config = _with_webhooks(name, *webhooks)
    assert (webhook_problem(config, name, BASE) == "") is is_found
    assert calls(config, name, BASE) is is_certain


def test_the_line_to_add_has_the_name_in_percent_encoding() -> None:
    assert f"add `- url: {BASE}monitoring%2Fpager%2Foncall`" in webhook_problem(
        _with_webhooks("monitoring/pager/oncall"), "monitoring/pager/oncall", BASE
    )


@pytest.mark.parametrize("config", ["", "[", "receivers: 7", "receivers: [7]", "route: {receiver: a}"])
def test_a_configuration_without_receivers_says_nothing_about_them(config: str) -> None:
    assert webhook_problem(config, "oncall", BASE) == ""
    assert not calls(config, "oncall", BASE)


@pytest.mark.parametrize(
    ("labels", "receiver", "missed"),
    [
        ({"team": "pay", "severity": "warning"}, "pager", ['severity="critical"']),
        ({"team": "core"}, "pay", ['team=~"pay.*"']),
        ({"team": "core", "severity": "info"}, "pager", ['team=~"pay.*"', 'severity!="info"', 'severity="critical"']),
        ({"team": "core"}, "rest", []),
        ({}, "default", []),
    ],
)
def test_the_route_that_an_alert_missed_nearly_names_its_matchers(
    labels: dict[str, str], receiver: str, missed: list[str]
) -> None:
    route = nearest_route(TREE, labels, receiver)
    assert route is not None
    assert [str(matcher) for matcher in route.missed] == missed


def test_a_receiver_without_a_route_has_no_nearest_one() -> None:
    assert nearest_route(TREE, {}, "nobody") is None
    assert nearest_route("receivers: []", {}, "nobody") is None
