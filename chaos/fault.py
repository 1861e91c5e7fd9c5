"""The shape of a fault: settings that are the YAML, and the way from there to an injection."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from chaos.injection import Injection
from units.duration import Duration
from units.settings import Settings


@dataclass(frozen=True)
class Endpoints:
    """Where the servers that faults work through are, and what was allowed in writing.

    `addresses` say where a name of a drill file is: {"redis:6379": "127.0.0.1:31234"}. `allowed` are those of
    agent.yml: {"flush redis:6379"}. `password_files` are those of servers by name.
    """

    toxiproxy_url: str
    addresses: Mapping[str, str] = field(default_factory=dict)
    allowed: frozenset[str] = frozenset()
    password_files: Mapping[str, Path] = field(default_factory=dict)

    def located(self, text: str) -> str:
        """Replace every `name:port` that has an address of its own by it, on its own or inside a URL."""
        if not self.addresses:
            return text
        names = "|".join(map(re.escape, self.addresses))
        return re.sub(rf"(?<![\w.-])(?:{names})(?![\w.-])", lambda name: self.addresses[name[0]], text)


class Fault(Settings):
    """What every fault has: its kind, when it begins after the baseline, and how long it lasts."""

    kind: str
    at: Duration = timedelta(0)
    lasts: Duration | Literal["until-fired"] = "until-fired"

    @property
    @abstractmethod
    def target(self) -> str:
        """What it breaks, in words."""

    @abstractmethod
    async def resolve(self, endpoints: Endpoints, entry_id: str) -> Injection:
        """Find what is to be broken, and what undoing it will need; breaks nothing.

        `entry_id` is a name that no other fault has: what the fault makes carries it. Raises FaultNotApplied.
        """
