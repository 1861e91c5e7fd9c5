"""agent.yml: the servers, and the transaction that runs all the time."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator

from alertdrill.agent.config.kpis import Kpis, read_kpis
from alertdrill.agent.config.probe import read_probe
from alertdrill.agent.config.servers import BasicAuth, Grafana, MonitoringServer, ServerSettings, require_token
from alertdrill.agent.config.yaml_source import Source, from_its_file, read_settings
from alertdrill.agent.errors import ConfigError
from alertdrill.chaos.cluster_access import Kubernetes
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.guard import Guards
from alertdrill.chaos.secret_source import PathBesideFile
from alertdrill.probes.any_probe import AnyProbe
from alertdrill.units.duration import format_duration
from alertdrill.units.settings import Secret, Settings

Place = Annotated[str, StringConstraints(pattern=r"^[^\s/@]+:\d+$")]


class AgentConfig(Settings):
    """The whole of agent.yml.

    `listen` is the address for Alertmanager's webhooks, which must have the token `webhook_token` or the name and
    password of `webhook_basic_auth` if one is set. `time_scale` divides the durations of drills, for servers
    whose durations were divided by the same number. `addresses` maps the names in drills to addresses; `allow` lists
    the faults that need written permission (`flush redis:6379`); `password_files` has a file for each server.
    `kubernetes` says which parts of a cluster drills may break. Paths are relative to the file; without `recordings`
    they are written to the folder of that name in the working directory.
    """

    probe: AnyProbe
    kpis: Kpis = Kpis()
    prometheus: MonitoringServer
    alertmanager: MonitoringServer
    toxiproxy: ServerSettings
    grafana: Grafana | None = None
    listen: str = Field(default="127.0.0.1:9095", pattern=r"^[^:]+:\d+$")
    webhook_token: Secret | None = None
    webhook_basic_auth: BasicAuth | None = None
    recordings: PathBesideFile = Path("recordings")
    ledger: PathBesideFile = Field(default=Path("~/.local/state/alertdrill/ledger"), validate_default=True)
    guards: Guards = Guards()
    time_scale: float = Field(default=1.0, gt=0)
    addresses: dict[Place, Place] = {}
    allow: list[str] = []
    password_files: dict[Place, PathBesideFile] = {}
    kubernetes: Kubernetes | None = None

    @field_validator("webhook_token")
    @classmethod
    def _token_is_ascii(cls, token: Secret | None) -> Secret | None:
        return require_token(token)

    @field_validator("webhook_basic_auth")
    @classmethod
    def _password_is_not_empty(cls, given: BasicAuth | None) -> BasicAuth | None:
        if given is not None and not given.password.get_secret_value():
            msg = "password is empty, expected the one that Alertmanager sends"
            raise ValueError(msg)
        return given

    @model_validator(mode="after")
    def _has_one_webhook_credential(self) -> Self:
        if self.webhook_token is not None and self.webhook_basic_auth is not None:
            msg = "has both webhook_token and webhook_basic_auth, expected one of them"
            raise ValueError(msg)
        return self

    @property
    def webhook_credentials(self) -> tuple[str, ...]:
        """The accepted values of `Authorization` at `listen`, as plain text; empty if none is required."""
        if self.webhook_token is not None:
            return (f"Bearer {self.webhook_token.get_secret_value()}",)
        return (self.webhook_basic_auth.as_header(),) if self.webhook_basic_auth is not None else ()

    @property
    def listen_problem(self) -> str:
        """What is wrong if other machines can reach `listen` without a credential; empty if they cannot."""
        is_closed = self.webhook_credentials or is_loopback(self.listen.rsplit(":", 1)[0])
        return "" if is_closed else f"{self.listen}: {_OPEN_TO_OTHERS}"

    @property
    def endpoints(self) -> Endpoints:
        """The addresses and permissions that faults need."""
        return Endpoints(
            toxiproxy_url=self.toxiproxy.url,
            addresses=self.addresses,
            allowed=frozenset(self.allow),
            password_files=self.password_files,
            kubernetes=self.kubernetes,
        )

    @field_validator("probe", mode="before")
    @classmethod
    def _read_probe(cls, probe: object, info: ValidationInfo) -> object:
        return from_its_file(probe, info, read_probe)

    @field_validator("kpis", mode="before")
    @classmethod
    def _read_kpis(cls, given: object, info: ValidationInfo) -> object:
        return from_its_file(given, info, read_kpis)

    def relocated(self, addresses: Mapping[str, str]) -> AgentConfig:
        """Replace the addresses in every URL: `{"prometheus:9090": "127.0.0.1:31234"}`."""
        return self.model_validate(relocate(self.model_dump(by_alias=True, exclude_unset=True), addresses))


def relocate(value: Any, addresses: Mapping[str, str]) -> Any:  # noqa: ANN401 - settings hold anything
    """Replace the host and port of every URL in a value, where `addresses` has them.

    A URL with the host and without a port means the same server.
    """
    if isinstance(value, str):
        for name, address in addresses.items():
            host, port = map(re.escape, name.rsplit(":", 1))
            value = re.sub(rf"(//(?:[^/?#@]*@)?){host}(?::{port})?(?=[/?#]|$)", rf"\g<1>{address}", value)
        return value
    if isinstance(value, dict):
        return {key: relocate(item, addresses) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [relocate(item, addresses) for item in value]
    return value


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_OPEN_TO_OTHERS = (
    "others can reach it without a credential: add `webhook_token_file: FILE` (the file with a token that Alertmanager"
    " sends, as `http_config: {authorization: {credentials_file: FILE}}` of its webhook) or `webhook_basic_auth:"
    " {username: NAME, password_file: FILE}`, or listen on 127.0.0.1"
)


def require_credential(config: AgentConfig) -> None:
    """Raise ConfigError if others can reach the agent without a credential."""
    if config.listen_problem:
        raise ConfigError(f"listen: {config.listen_problem}")


def read_serving_config(path: Path) -> AgentConfig:
    """Read agent.yml for a drill; raises ConfigError with every problem, also if others can reach the agent."""
    source = Source(path)
    config = source.into(AgentConfig)
    if config.listen_problem:
        raise ConfigError(source.problem(("listen",), config.listen_problem))
    return config


def read_agent_config(path: Path) -> AgentConfig:
    """Read agent.yml; raises ConfigError with every problem of the file."""
    return read_settings(path, AgentConfig)


def as_yaml(config: AgentConfig) -> str:
    """Format a configuration as YAML, secrets included: only for a file that no other user can read."""
    return yaml.safe_dump(_plain(config.model_dump(by_alias=True, exclude_unset=True)), sort_keys=False)


def _plain(value: Any) -> Any:  # noqa: ANN401 - settings hold anything
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Secret):
        return value.get_secret_value()
    if isinstance(value, timedelta):
        return format_duration(value)
    return str(value) if isinstance(value, Path) else value
