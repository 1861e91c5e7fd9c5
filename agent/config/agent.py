"""agent.yml: the servers, and the transaction that runs all the time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from alertdrill.agent.config.kpis import Kpis, read_kpis
from alertdrill.agent.config.probe import read_probe
from alertdrill.agent.config.servers import Grafana, MonitoringServer, ServerSettings
from alertdrill.agent.config.yaml_source import from_its_file, read_settings
from alertdrill.chaos.cluster_access import Kubernetes
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.guard import Guards
from alertdrill.chaos.secret_source import beside_its_file
from alertdrill.probes.any_probe import AnyProbe
from alertdrill.units.duration import format_duration
from alertdrill.units.settings import Secret, Settings

Place = Annotated[str, StringConstraints(pattern=r"^[^\s/@]+:\d+$")]


class AgentConfig(Settings):
    """The whole of agent.yml.

    `listen` is the address for Alertmanager's webhooks. `time_scale` divides the durations of drills, for servers
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
    recordings: Path = Path("recordings")
    ledger: Path = Field(default=Path("~/.local/state/alertdrill/ledger"), validate_default=True)
    guards: Guards = Guards()
    time_scale: float = Field(default=1.0, gt=0)
    addresses: dict[Place, Place] = {}
    allow: list[str] = []
    password_files: dict[Place, Path] = {}
    kubernetes: Kubernetes | None = None

    @field_validator("password_files")
    @classmethod
    def _resolve_paths(cls, files: dict[str, Path], info: ValidationInfo) -> dict[str, Path]:
        return {name: beside_its_file(path, info) for name, path in files.items()}

    @field_validator("recordings", "ledger")
    @classmethod
    def _resolve_folders(cls, folder: Path, info: ValidationInfo) -> Path:
        return beside_its_file(folder, info)

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
