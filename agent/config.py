"""agent.yml: where the servers are, and the transaction that keeps running."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import Field, field_validator

from agent import yaml_source
from probes.registry import AnyProbe
from units.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping


class Server(Settings):
    """A server spoken to over HTTP."""

    url: str

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            msg = f"{url!r} is no URL, expected http://… or https://…"
            raise ValueError(msg)
        return url.rstrip("/")


class AgentConfig(Settings):
    """The whole of agent.yml.

    `listen` is where Alertmanager's webhooks reach us; `time_scale` divides the durations of drills,
    for servers whose own durations were divided likewise.
    """

    probe: AnyProbe
    prometheus: Server
    alertmanager: Server
    toxiproxy: Server
    listen: str = Field(default="127.0.0.1:9095", pattern=r"^[^:]+:\d+$")
    recordings: Path = Path("recordings")
    ledger: Path = Path("~/.local/state/alertdrill/ledger")
    time_scale: float = Field(default=1.0, gt=0)

    def relocated(self, addresses: Mapping[str, str]) -> AgentConfig:
        """Point every server at another address: `{"prometheus:9090": "127.0.0.1:31234"}`."""

        def move(text: str) -> str:
            for name, address in addresses.items():
                text = text.replace(f"//{name}", f"//{address}")
            return text

        return self.model_copy(
            update={
                "probe": self.probe.model_copy(update={"url": move(self.probe.url)}),
                "prometheus": Server(url=move(self.prometheus.url)),
                "alertmanager": Server(url=move(self.alertmanager.url)),
                "toxiproxy": Server(url=move(self.toxiproxy.url)),
            }
        )


def load(path: Path) -> AgentConfig:
    """Read agent.yml; raises ConfigError with every problem of the file."""
    return yaml_source.load(path, AgentConfig)


def dump(config: AgentConfig) -> str:
    """Spell a configuration as YAML, secrets included: only for a file that its reader alone can open."""
    values = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    if config.probe.bearer_token is not None:
        values["probe"]["bearer_token"] = config.probe.bearer_token.get_secret_value()
    return yaml.safe_dump(values, sort_keys=False)
