"""agent.yml: the servers, and the transaction that runs all the time."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import yaml
from pydantic import Field, PrivateAttr, StringConstraints, ValidationInfo, field_validator, model_validator

from alertdrill.agent.config.daemon import Freshness, Schedule, SteadyLoad, Web
from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.config.kpis import Kpis, read_kpis
from alertdrill.agent.config.notify import Heartbeat, Notify, WatchdogAlert
from alertdrill.agent.config.probe import read_probe
from alertdrill.agent.config.servers import BasicAuth, Grafana, MonitoringServer, ServerSettings, require_token
from alertdrill.agent.config.web_file import WebFile, read_web_file
from alertdrill.agent.config.yaml_source import Source, from_its_file, read_settings
from alertdrill.agent.errors import ConfigError
from alertdrill.chaos.cluster_access import Kubernetes
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.guard import Guards
from alertdrill.chaos.secret_source import PathBesideFile
from alertdrill.probes.any_probe import AnyProbe
from alertdrill.units.duration import format_duration
from alertdrill.units.secrecy import masked
from alertdrill.units.settings import Secret, Settings

if TYPE_CHECKING:
    from alertdrill.agent.config.drill import Drill

Place = Annotated[str, StringConstraints(pattern=r"^[^\s/@]+:\d+$")]


@dataclass(frozen=True)
class _Origin:
    """The file that a configuration was read from; it makes no difference between two of them."""

    file: Path | None = field(default=None, compare=False)


class AgentConfig(Settings):
    """The whole of agent.yml.

    Only drills with a receiver or silences need `alertmanager`, only those with a fault at a proxy need `toxiproxy`.
    `listen` is the address for Alertmanager's webhooks, which must have the token `webhook_token` or the name and
    password of `webhook_basic_auth` if one is set. `time_scale` divides the durations of drills, for servers
    whose durations were divided by the same number. `addresses` maps the names in drills to addresses; `allow` lists
    the faults that need written permission (`flush redis:6379`); `password_files` has a file for each server.
    `kubernetes` says which parts of a cluster drills may break. `relayed_receivers` are patterns of receivers whose
    notifications come here by way of another server, which Alertmanager's configuration does not show. Paths are
    relative to the file; without `recordings` they are written to the folder of that name in the working directory.
    `load`, `schedule`, `freshness`, `history`, `web`, `notify`, `watchdog_alert` and `heartbeat` are for `alertdrill run`;
    `review` and `kpi` read the history, too.
    """

    probe: AnyProbe
    kpis: Kpis = Kpis()
    prometheus: MonitoringServer
    alertmanager: MonitoringServer | None = None
    toxiproxy: ServerSettings | None = None
    grafana: Grafana | None = None
    listen: str = Field(default="127.0.0.1:9095", pattern=r"^[^:]+:\d+$")
    webhook_token: Secret | None = None
    webhook_basic_auth: BasicAuth | None = None
    relayed_receivers: tuple[str, ...] = ()
    recordings: PathBesideFile = Path("recordings")
    ledger: PathBesideFile = Field(default=Path("~/.local/state/alertdrill/ledger"), validate_default=True)
    guards: Guards = Guards()
    time_scale: float = Field(default=1.0, gt=0)
    addresses: dict[Place, Place] = {}
    allow: list[str] = []
    password_files: dict[Place, PathBesideFile] = {}
    kubernetes: Kubernetes | None = None
    load: SteadyLoad | None = None
    schedule: Schedule | None = None
    freshness: Freshness = Freshness()
    history: HistorySettings = HistorySettings()
    web: Web = Web()
    notify: Notify = Notify()
    watchdog_alert: WatchdogAlert | None = None
    heartbeat: Heartbeat | None = None
    _origin: _Origin = PrivateAttr(_Origin())

    @model_validator(mode="after")
    def _remember_its_file(self, info: ValidationInfo) -> Self:
        self._origin = _Origin(info.context["file"] if info.context else None)
        return self

    @property
    def heal_command(self) -> str:
        """The command that undoes what is in its ledger, ready to copy, whatever the working directory is."""
        file = self._origin.file
        return "alertdrill heal" + (f" --config {shlex.quote(str(file.absolute()))}" if file else "")

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
    def webhook_base(self) -> str:
        """The URL to which Alertmanager adds the name of a receiver, in percent encoding."""
        host, _, port = self.listen.rpartition(":")
        scheme = "http" if self.web_file.tls_server_config is None else "https"
        return f"{scheme}://{'ADDRESS-OF-THIS-AGENT' if host == '0.0.0.0' else host}:{port}/api/v1/webhook/"

    @cached_property
    def web_file(self) -> WebFile:
        """web.yml as it was read first, or what holds without one; raises ConfigError."""
        return read_web_file(self.web.config_file)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach `listen`."""
        return is_loopback(self.listen.rsplit(":", 1)[0])

    def with_web_file(self, path: Path | None) -> AgentConfig:
        """Return this configuration with another web.yml, unless that is None."""
        if path is None:
            return self
        other = self.model_copy(update={"web": self.web.model_copy(update={"config_file": path.absolute()})})
        other.__dict__.pop("web_file", None)
        return other

    @property
    def listen_problem(self) -> str:
        """What is wrong if other machines can reach `listen` without a credential; empty if they cannot.

        Raises ConfigError for a wrong web.yml.
        """
        is_closed = self.web_file.has_callers or self.webhook_credentials or self.is_local
        return "" if is_closed else f"{self.listen}: {_OPEN_TO_OTHERS}"

    @property
    def endpoints(self) -> Endpoints:
        """The addresses and permissions that faults need."""
        return Endpoints(
            toxiproxy_url=self.toxiproxy.url if self.toxiproxy is not None else "",
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
    " {username: NAME, password_file: FILE}`, or `web: {config_file: web.yml}` with callers, or listen on 127.0.0.1"
)


def require_credential(config: AgentConfig) -> None:
    """Raise ConfigError if others can reach the agent without a credential."""
    if config.listen_problem:
        raise ConfigError(f"listen: {config.listen_problem}")


def missing_servers(config: AgentConfig, drill: Drill) -> Iterator[str]:
    """Yield a line for each server that a drill uses and the configuration lacks, with the line to add to agent.yml."""
    if config.toxiproxy is None:
        for fault in drill.faults:
            if hasattr(fault, "proxy"):
                yield _missing(drill, f"the fault {fault.kind} acts on a proxy", "toxiproxy", 8474)
                break
    if config.alertmanager is None and (why := _why_alertmanager(config, drill)):
        yield _missing(drill, why, "alertmanager", 9093)


def _why_alertmanager(config: AgentConfig, drill: Drill) -> str:
    told = next((one for one in drill.expect if one.receiver is not None), None)
    if told is not None:
        return f"the expectation of {told.alert} names a receiver"
    if drill.silence_others:
        return "silence_others sets a silence"
    return "" if "*" in config.guards.known_silences else "guards.known_silences looks at the silences"


def _missing(drill: Drill, why: str, key: str, port: int) -> str:
    line = f'{key}: {{url: "http://HOST:{port}"}}'
    return f"drill {drill.name}: {why}, and agent.yml has no `{key}`: add the line `{line}` to it"


def require_servers(config: AgentConfig, *drills: Drill) -> None:
    """Raise ConfigError with every server that one of the drills uses and the configuration lacks."""
    if problems := [problem for drill in drills for problem in missing_servers(config, drill)]:
        raise ConfigError(*problems)


def serving_config(source: Source, web_file: Path | None = None) -> AgentConfig:
    """Read agent.yml for a command that serves, with another web.yml than it names unless that is None.

    Raises ConfigError with every problem, also if others can reach the agent.
    """
    config = source.into(AgentConfig).with_web_file(web_file)
    try:
        problem = config.listen_problem
    except ConfigError as error:
        if web_file is not None:
            raise
        raise ConfigError(*(source.problem(("web", "config_file"), one) for one in error.problems)) from error
    if problem:
        raise ConfigError(source.problem(("listen",), problem))
    return config


def read_agent_config(path: Path) -> AgentConfig:
    """Read agent.yml; raises ConfigError with every problem of the file."""
    return read_settings(path, AgentConfig)


def as_yaml(config: AgentConfig) -> str:
    """Format a configuration as YAML, secrets included: only for a file that no other user can read."""
    return yaml.safe_dump(_plain(config.model_dump(by_alias=True, exclude_unset=True)), sort_keys=False)


def without_secrets(config: AgentConfig) -> dict[str, Any]:
    """Return what a configuration sets, as JSON, with `<secret>` in place of what is or may be a secret."""
    values = masked(config.model_dump(by_alias=True, exclude_unset=True), named=True)
    plain: dict[str, Any] = _plain(values, secret=str)
    return plain


def _plain(value: Any, secret: Callable[[Secret], str] = Secret.get_secret_value) -> Any:  # noqa: ANN401 - settings hold anything
    if isinstance(value, dict):
        return {key: _plain(item, secret) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, secret) for item in value]
    if isinstance(value, Secret):
        return secret(value)
    if isinstance(value, timedelta):
        return format_duration(value)
    return str(value) if isinstance(value, Path) else value
