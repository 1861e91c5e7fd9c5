"""The addresses and permissions of faults, from agent.yml and from the lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from alertdrill.agent.config.agent import as_yaml, read_agent_config
from alertdrill.agent.on_lab import at_the_lab

CONFIG = Path(__file__).parents[3] / "configs" / "agent.yml"
ADDRESSES = {
    "alertdrill:9095": "127.0.0.1:1095",
    "redis:6379": "127.0.0.1:1379",
    "postgres:5432": "127.0.0.1:1432",
    "payment-engine:8080": "127.0.0.1:1080",
}


@pytest.mark.parametrize(
    ("written", "located"),
    [
        ("redis:6379", "127.0.0.1:1379"),
        ("redis://redis:6379/0", "redis://127.0.0.1:1379/0"),
        ("postgresql://me@postgres:5432/shop", "postgresql://me@127.0.0.1:1432/shop"),
        ("http://payment-engine:8080/actuator", "http://127.0.0.1:1080/actuator"),
        ("redis://redis/0", "redis://127.0.0.1:1379/0"),
        ("redis://Redis:6379", "redis://127.0.0.1:1379"),
        ("postgresql://me@postgres", "postgresql://me@127.0.0.1:1432"),
        ("curl -s http://payment-engine -o /tmp/redis", "curl -s http://127.0.0.1:1080 -o /tmp/redis"),
        ("http://elsewhere/redis", "http://elsewhere/redis"),
        ("my-redis:6379", "my-redis:6379"),
        ("redis:63790", "redis:63790"),
        ("redis", "redis"),
    ],
)
def test_a_name_in_a_drill_gets_the_address_of_the_lab(written: str, located: str) -> None:
    endpoints = at_the_lab(read_agent_config(CONFIG), ADDRESSES, Path("/lab/ledger"), 5.0).endpoints
    assert endpoints.located(written) == located


def test_the_lab_allows_faults_that_lose_its_own_data(tmp_path: Path) -> None:
    """Its agent.yml allows them too, for drills of another process."""
    written = tmp_path / "agent.yml"
    written.write_text(as_yaml(at_the_lab(read_agent_config(CONFIG), ADDRESSES, tmp_path / "ledger", 5.0)))
    endpoints = read_agent_config(written).endpoints
    assert {"flush redis:6379", "block redis:6379", "kill postgres:5432"} <= endpoints.allowed
    assert endpoints.password_files == {"postgres:5432": tmp_path / "postgres" / "password"}
    assert endpoints.located("redis:6379") == "127.0.0.1:1379"


def test_only_faults_in_agent_yml_are_allowed() -> None:
    assert read_agent_config(CONFIG).endpoints.allowed == frozenset()


def test_password_files_are_beside_agent_yml(tmp_path: Path) -> None:
    path = tmp_path / "agent.yml"
    added = (
        'password_files: {"db:5432": secrets/db}\nallow: ["kill db:5432"]\naddresses: {"db:5432": "10.0.0.7:5432"}\n'
    )
    text = (
        CONFIG.read_text()
        .replace("probes/", f"{CONFIG.parent}/probes/")
        .replace("kpis.yml", f"{CONFIG.parent}/kpis.yml")
    )
    path.write_text(text + added)
    endpoints = read_agent_config(path).endpoints
    assert endpoints.password_files == {"db:5432": tmp_path / "secrets" / "db"}
    assert endpoints.allowed == {"kill db:5432"}
    assert endpoints.located("db:5432") == "10.0.0.7:5432"


def test_folders_are_relative_to_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    servers = "".join(f"{name}: {{url: 'http://a'}}\n" for name in ("prometheus", "alertmanager", "toxiproxy"))
    own = "ledger: here/ledger\nrecordings: ../recordings\nguards: {kill_switch: stop}\n"
    (beside / "agent.yml").write_text(f"probe: {{kind: http, url: 'http://a/'}}\n{servers}{own}")
    monkeypatch.chdir(tmp_path)
    config = read_agent_config(Path("beside/agent.yml")).relocated({"a:80": "127.0.0.1:1"})
    assert config.ledger == beside / "here" / "ledger"
    assert config.recordings.resolve() == tmp_path / "recordings"
    assert config.guards.kill_switch == beside / "stop"


def test_without_folders_the_ledger_is_in_the_home_and_recordings_are_here() -> None:
    config = read_agent_config(CONFIG)
    assert config.ledger == Path.home() / ".local/state/alertdrill/ledger"
    assert config.recordings == Path("recordings")
