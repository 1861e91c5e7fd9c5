from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path

import pytest

from alertdrill.agent.config.agent import AgentConfig, as_yaml, read_agent_config
from alertdrill.agent.config.servers import MonitoringServer
from alertdrill.agent.errors import ConfigError

AGENT = """\
probe: {kind: http, url: "http://a/"}
prometheus:
  url: https://prometheus:9090/mimir/
  SETTING
alertmanager: {url: "http://a"}
toxiproxy: {url: "http://t"}
"""


def read(tmp_path: Path, setting: str = "timeout: 3s") -> AgentConfig:
    (tmp_path / "secret").write_text("hush-file\n")
    path = tmp_path / "agent.yml"
    path.write_text(AGENT.replace("SETTING", setting))
    return read_agent_config(path)


@pytest.mark.parametrize(
    ("setting", "sent"),
    [
        ("timeout: 3s", {}),
        ("bearer_token: hush", {"Authorization": "Bearer hush"}),
        ("bearer_token_file: secret", {"Authorization": "Bearer hush-file"}),
        ("basic_auth: {username: me, password: hüsh}", {"Authorization": "Basic bWU6aMO8c2g="}),
        (
            "basic_auth: {username: me, password_file: secret}",
            {"Authorization": "Basic " + base64.b64encode(b"me:hush-file").decode()},
        ),
        ("headers: {X-Scope-OrgID: team-a, X-Key: hush}", {"X-Scope-OrgID": "team-a", "X-Key": "hush"}),
    ],
)
def test_each_request_has_the_credentials(tmp_path: Path, setting: str, sent: dict[str, str]) -> None:
    assert read(tmp_path, setting).prometheus.sent_headers() == sent


@pytest.mark.parametrize(
    "setting",
    ["bearer_token: hush", "basic_auth: {username: me, password_file: secret}", "headers: {X-Key: hush}"],
)
def test_credentials_are_never_printed(tmp_path: Path, setting: str) -> None:
    loaded = read(tmp_path, setting)
    assert "<secret>" in repr(loaded)
    for text in (repr(loaded), str(loaded), loaded.model_dump_json(by_alias=True)):
        assert "hush" not in text


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("timeout: 3", "4: prometheus.timeout: 3 has no unit, expected a duration such as"),
        ("timeout: 0s", "4: prometheus.timeout: input should be greater than 0"),
        ("bearer_tokn: a", "4: prometheus.bearer_tokn: unknown key, did you mean bearer_token?"),
        (
            "basic_auth: {username: a, password: b, realm: c}",
            "4: prometheus.basic_auth.realm: unknown key, expected one of: username",
        ),
        ("basic_auth: {username: a}", "4: prometheus.basic_auth.password: is missing"),
        ("basic_auth: {username: 'a:b', password: c}", "4: prometheus.basic_auth.username: "),
        ("bearer_token: a\n  basic_auth: {username: a, password: b}", "has both basic_auth and bearer_token"),
        ("bearer_token: a\n  headers: {authorization: b}", "has both bearer_token and headers.authorization"),
        ("bearer_token: 'hush hush'", "4: prometheus.bearer_token: is not a token, expected one word of ASCII text"),
        ("bearer_token: a\n  bearer_token_file: secret", "has both bearer_token and bearer_token_file"),
        ("bearer_token_file: nothing", "bearer_token_file cannot be read: "),
        ("headers: {Content-Length: '3'}", "the client itself writes Content-Length"),
        (
            'headers: {X-Key: "hush\\r\\nX-Other: b"}',
            "4: prometheus.headers: the header X-Key holds a control character",
        ),
        ("headers: {'X Key': a}", "4: prometheus.headers.X Key"),
        ("tls: {ca_file: nothing}", "4: prometheus.tls.ca_file: cannot be read: "),
        ("tls: {ca_fil: a}", "4: prometheus.tls.ca_fil: unknown key, did you mean ca_file?"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_line(tmp_path: Path, setting: str, expected: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, setting)
    assert expected in str(refused.value)
    assert "hush" not in str(refused.value)
    assert len(refused.value.problems) == 1


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("prometheus:9090", "expected http://… or https://…"),
        ("http://", "expected http://… or https://…"),
        ("http://p:70000", "expected http://… or https://…"),
        ("http://me:hush@p", "holds a user name or a password"),
        ("http://p/?tenant=a", "holds a query or a fragment"),
    ],
)
def test_a_url_has_only_an_address_and_a_path(tmp_path: Path, url: str, expected: str) -> None:
    path = tmp_path / "agent.yml"
    path.write_text(AGENT.replace("https://prometheus:9090/mimir/", url).replace("SETTING", "timeout: 1s"))
    with pytest.raises(ConfigError) as refused:
        read_agent_config(path)
    assert str(refused.value).startswith(f"{path}:3: prometheus.url: ")
    assert expected in str(refused.value)
    assert "hush" not in str(refused.value)


def test_a_relocated_server_keeps_its_prefix_and_its_credentials(tmp_path: Path) -> None:
    loaded = read(tmp_path, "basic_auth: {username: me, password_file: secret}\n  timeout: 5s")
    moved = loaded.relocated({"prometheus:9090": "127.0.0.1:31234"}).prometheus
    assert moved == MonitoringServer.model_validate(
        {
            "url": "https://127.0.0.1:31234/mimir",
            "basic_auth": {"username": "me", "password": "hush-file"},
            "timeout": "5s",
        }
    )
    assert moved.timeout == timedelta(seconds=5)


def test_a_dumped_configuration_is_read_back_equal(tmp_path: Path) -> None:
    loaded = read(tmp_path, "headers: {X-Key: hush}\n  basic_auth: {username: me, password_file: secret}")
    path = tmp_path / "again.yml"
    path.write_text(as_yaml(loaded))
    assert read_agent_config(path) == loaded
