from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from alertdrill.agent.config.agent import AgentConfig, as_yaml, read_agent_config
from alertdrill.agent.errors import ConfigError

SLACK = {"slack": {"url_file": "hook"}}
MAIL = {"server": "smtp.test:587", "from": "a@example.org", "to": ["b@example.org"]}


def read(folder: Path, **keys: Any) -> AgentConfig:
    values = {"probe": {"kind": "tcp", "url": "tcp://a:1"}, "prometheus": {"url": "http://a"}}
    (folder / "hook").write_text("https://hooks.test/CANARY\n")
    (folder / "agent.yml").write_text(yaml.safe_dump(values | keys))
    return read_agent_config(folder / "agent.yml")


def test_urls_and_secrets_come_from_files_and_are_not_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("CANARY-secret")
    hook = {"url_file": "hook", "secret_file": "secret", "bearer_token_file": "secret"}
    mail = MAIL | {"username": "a", "password_file": "secret"}
    config = read(
        tmp_path,
        notify={"targets": [{"webhook": hook}, SLACK, {"email": mail}]},
        heartbeat={"url_file": "hook"},
        grafana={"url": "http://a", "token_file": "secret"},
    )
    webhook, _, email = config.notify.targets
    assert webhook.webhook is not None
    assert webhook.webhook.url.get_secret_value() == "https://hooks.test/CANARY"
    assert [one.title for one in config.notify.targets] == ["webhook", "slack", "email"]
    assert "CANARY" not in repr(config)
    assert email.email is not None
    assert email.email.security == "starttls"
    # What the configuration's digest is made of.
    assert AgentConfig.model_validate(yaml.safe_load(as_yaml(config))) == config


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"notify": {"targets": [{"slack": {"url": "CANARY"}}]}}, "slack.url: is not a URL, expected http"),
        ({"notify": {"targets": [SLACK, SLACK]}}, "2 targets are called 'slack', expected a `name`"),
        ({"notify": {"targets": [{"name": "a"}]}}, "has no place to send to, expected one of webhook, slack and"),
        ({"notify": {"targets": [SLACK | {"email": MAIL}]}}, "has slack and email, expected one of"),
        ({"notify": {"targets": [SLACK | {"digest": "Mon 9:00"}]}}, "digest: 'Mon 9:00' is not a time of a week"),
        ({"notify": {"targets": [SLACK | {"digest": "Mon 09:00"}]}}, "has a digest without time_zone"),
        ({"notify": {"targets": [SLACK | {"when": ["fail"]}]}}, "when[0]: input should be 'failed', 'inconclusive'"),
        ({"notify": {"targets": [{"email": MAIL | {"username": "a"}}]}}, "has one of username and password"),
        (
            {"notify": {"targets": [{"email": MAIL | {"username": "a", "password": "CANARY", "security": "none"}}]}},
            "has a password and security: none, expected starttls or tls",
        ),
        ({"watchdog_alert": {"alert": "Watchdog"}}, "watchdog_alert.every: is missing"),
        ({"heartbeat": {"url": "http://a/", "every": "10ms"}}, "heartbeat.every: "),
    ],
)
def test_what_cannot_work_is_named_with_its_place(tmp_path: Path, keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, **keys)
    assert problem in str(raised.value)
    assert "CANARY" not in str(raised.value)
