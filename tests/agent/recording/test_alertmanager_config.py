"""A recording keeps Alertmanager's routes as they are, and none of its URLs and tokens."""

from __future__ import annotations

import yaml

from alertdrill.agent.recording.alertmanager_config import without_secrets

CONFIG = """\
global:
  resolve_timeout: 5m
  slack_api_url: https://hooks.slack.example/services/S3CRET
  http_config: {proxy_url: "http://me:S3CRET@proxy:3128", authorization: {credentials: S3CRET}}
route:
  receiver: team
  routes:
  - match: {token: payments, dashboard_url: "http://kept/"}
    receiver: other
receivers:
- name: team
  webhook_configs:
  - url: http://alertdrill:9095/api/v1/webhook/team?key=S3CRET
    send_resolved: true
    http_config: {http_headers: {Authorization: {values: [S3CRET]}}}
- name: other
  pagerduty_configs:
  - {routing_key: S3CRET, description: "see https://u:S3CRET@wiki/", details: {firing: all}}
time_intervals:
- name: nights
"""


def test_urls_and_tokens_are_masked_and_the_rest_stays() -> None:
    kept = without_secrets(CONFIG)
    assert "S3CRET" not in kept
    values, before = yaml.safe_load(kept), yaml.safe_load(CONFIG)
    for section in ("route", "time_intervals"):
        assert values[section] == before[section]
    assert values["global"]["resolve_timeout"] == "5m"
    team, other = values["receivers"]
    assert team["webhook_configs"] == [
        {
            "url": "<secret>",
            "send_resolved": True,
            "http_config": {"http_headers": {"Authorization": {"values": ["<secret>"]}}},
        }
    ]
    assert other["pagerduty_configs"] == [
        {"routing_key": "<secret>", "description": "<secret>", "details": {"firing": "all"}}
    ]


def test_the_routes_keep_their_very_text() -> None:
    assert CONFIG[CONFIG.index("route:") : CONFIG.index("receivers:")] in without_secrets(CONFIG)


def test_a_section_that_is_not_yaml_is_not_kept() -> None:
    assert without_secrets("receivers:\n- {name: S3CRET\nroute:\n  receiver: a\n") == (
        "receivers: <secret>\nroute:\n  receiver: a\n"
    )
    assert without_secrets("") == ""


def test_aliases_that_multiply_are_not_followed() -> None:
    levels = "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    assert without_secrets(f"receivers:\n  a0: &a0 [x]\n{levels}") == "receivers: <secret>\n"
