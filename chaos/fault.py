"""The shape of a fault: settings that are the YAML, and the way from there to an injection."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from chaos.injection import Injection
from units.duration import Duration
from units.settings import Settings


@dataclass(frozen=True)
class Endpoints:
    """Where the servers that faults work through are."""

    toxiproxy_url: str


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
