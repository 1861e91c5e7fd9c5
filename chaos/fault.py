"""The shape of a fault: settings that are the YAML, and the way from there to an injection."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from alertdrill.chaos.cluster_access import Kubernetes
from alertdrill.chaos.injection import Injection
from alertdrill.units.duration import Duration, format_duration
from alertdrill.units.settings import Settings


@dataclass(frozen=True)
class Endpoints:
    """The servers that faults use, and the permissions of agent.yml.

    `toxiproxy_url` is empty where there is no Toxiproxy. `addresses` map the names of a drill file to real addresses: {"redis:6379": "127.0.0.1:31234"}. `allowed` is the
    list `allow` of agent.yml: {"flush redis:6379"}. `password_files` has the password file of each server by name.
    `kubernetes` is the part of a cluster that drills may touch.
    """

    toxiproxy_url: str = ""
    addresses: Mapping[str, str] = field(default_factory=dict)
    allowed: frozenset[str] = frozenset()
    password_files: Mapping[str, Path] = field(default_factory=dict)
    kubernetes: Kubernetes | None = None

    def located(self, text: str) -> str:
        """Replace each `name:port` that `addresses` knows by its address, alone or inside a URL.

        A URL without a port means the same server.
        """
        if not self.addresses:
            return text
        of_name = {name.lower(): address for name, address in self.addresses.items()}
        of_host = {name.rpartition(":")[0]: address for name, address in reversed(of_name.items())}
        names, hosts = ("|".join(map(re.escape, known)) for known in (of_name, of_host))
        found = rf"(?<![\w.-])(?P<name>{names})(?![\w.-])|(?<=//)(?P<user>[^/?#@\s]*@)?(?P<host>{hosts})(?=[/?#\s]|$)"

        def address(match: re.Match[str]) -> str:
            name, user, host = match["name"], match["user"] or "", match["host"]
            return of_name[name.lower()] if name else user + of_host[host.lower()]

        return re.sub(found, address, text, flags=re.IGNORECASE)


class Repeat(Settings):
    """How often a fault is injected; `every` is the time from one beginning to the next."""

    times: int = Field(ge=2, le=100)
    every: Duration = Field(gt=timedelta(0))


class Fault(Settings):
    """The settings of every fault: its kind, when it begins after the baseline, how long it lasts, how often it repeats.

    `at_most` also limits a fault that lasts until the alerts fired, and a fault whose owner hangs.
    """

    client_module: ClassVar[str] = ""
    """The module that speaks to the target, if it is loaded only for use.

    The watchdog loads it, and the module of the fault itself, before the fault is in force.
    """
    kind: str
    at: Duration = Field(default=timedelta(0), ge=timedelta(0))
    lasts: Duration | Literal["until-fired"] = "until-fired"
    at_most: Duration = Field(default=timedelta(hours=1), gt=timedelta(0))
    repeat: Repeat | None = None

    @model_validator(mode="after")
    def _ends_before_it_repeats(self) -> Self:
        if self.repeat is None:
            return self
        if not isinstance(self.lasts, timedelta):
            msg = "repeats, and lasts until the alerts fired: expected a duration for `lasts`"
            raise ValueError(msg)  # noqa: TRY004 - pydantic collects ValueErrors
        if self.lasts >= self.repeat.every:
            msg = "repeats before it has ended: expected `lasts` below `repeat.every`"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _ends_in_time(self) -> Self:
        if isinstance(self.lasts, timedelta) and self.lasts > self.at_most:
            longest = format_duration(self.at_most)
            msg = f"lasts {format_duration(self.lasts)}, longer than its at_most of {longest}"
            raise ValueError(msg)
        return self

    @property
    @abstractmethod
    def target(self) -> str:
        """The target, in words."""

    def refusal(self, endpoints: Endpoints) -> str:
        """Return why the fault is refused whatever the servers say, as `resolve` would; an empty text if it is not."""
        del endpoints
        return ""

    def servers(self, endpoints: Endpoints) -> frozenset[str]:
        """Return what no other drill may break at the same time: HOST:PORT, a URL, or words."""
        return frozenset({f"{self.kind} of {endpoints.located(self.target)}"})

    def steps(self) -> list[Fault]:
        """Split a fault that grows into several that add up; most faults are one step."""
        return [self]

    def contradicts(self, other: Fault) -> str:
        """Return why another fault cannot be in force at the same time; an empty text when it can."""
        same = self.kind == other.kind and self.target == other.target
        return "ending one would end the other" if same else ""

    def scaled(self, time_scale: float) -> Self:
        """Divide the times of its beginning, end and repetition; its strength stays the same."""
        repeat = self.repeat and self.repeat.model_copy(update={"every": self.repeat.every / time_scale})
        lasts = self.lasts / time_scale if isinstance(self.lasts, timedelta) else self.lasts
        return self.model_copy(update={"at": self.at / time_scale, "lasts": lasts, "repeat": repeat})

    @abstractmethod
    async def resolve(self, endpoints: Endpoints, entry_id: str) -> Injection:
        """Find what is to be broken, and what undoing it will need; breaks nothing.

        `entry_id` is a name that no other fault has: what the fault makes carries it. Raises FaultNotApplied.
        """
