"""The shared part of faults in PostgreSQL and Redis: URL, password, and the keys of each action."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.secret_source import PathBesideFile
from alertdrill.units.server_url import ServerUrl
from alertdrill.units.tls import TlsSettings


class DataServerFault(Fault):
    """A fault of PostgreSQL or Redis; `allow` is the written permission that some of their actions need."""

    url: str
    password_file: PathBesideFile | None = None
    password_env: str | None = None
    tls: TlsSettings | None = None
    action: str
    allow: str | None = None

    @property
    @abstractmethod
    def needs_permission(self) -> bool:
        """Whether the action destroys something, so that both files must allow it."""

    def refusal(self, endpoints: Endpoints) -> str:
        """Return what to write into the files that do not allow the action (`flush redis:6379`)."""
        what = f"{self.action} {self.server_name}"
        if not self.needs_permission:
            return ""
        if self.allow != what:
            had = "it has none" if self.allow is None else f"it has {self.allow!r}"
            return f"needs `allow: {what}` in the drill's fault, {had}"
        return (
            "" if what in endpoints.allowed else f"`{what}` is not allowed here: agent.yml needs it in its list `allow`"
        )

    @property
    @abstractmethod
    def server(self) -> ServerUrl:
        """The server in the URL."""

    def servers(self, endpoints: Endpoints) -> frozenset[str]:
        """Return what no other drill may break at the same time."""
        return frozenset({endpoints.located(self.server_name)})

    def contradicts(self, other: Fault) -> str:
        """Return why another fault cannot be in force at the same time: a blocked server takes no undo."""
        if isinstance(other, DataServerFault) and other.server_name == self.server_name:
            actions = {self.action, other.action}
            if "block" in actions:
                return "nothing can be undone on a server that is blocked"
        return super().contradicts(other)

    @property
    def server_name(self) -> str:
        """The server as it is written in files: `redis:6379`."""
        return f"{self.server.host}:{self.server.port}"

    def find_password_file(self, endpoints: Endpoints) -> Path | None:
        """Find the password file: the fault's own, or the server's in agent.yml; None if there is none."""
        if self.password_file is None and self.password_env is None:
            return endpoints.password_files.get(self.server_name)
        return self.password_file

    def require_own_keys(self, needed: Iterable[str], keys: Mapping[str, Iterable[str]]) -> None:
        """Require the keys that the action needs, and refuse those of other actions; raises ValueError.

        `keys` has the keys of each action.
        """
        for key in needed:
            if key not in self.model_fields_set:
                msg = f"has action {self.action}, which needs {key}"
                raise ValueError(msg)
        for action, own in keys.items():
            for key in own:
                if key in self.model_fields_set and action != self.action:
                    msg = f"has {key}, which is for action {action}, and not for {self.action}"
                    raise ValueError(msg)


def require_allowed(fault: DataServerFault, endpoints: Endpoints) -> None:
    """Require the permission of an action in both files; raises FaultNotApplied that says what to write there."""
    if refusal := fault.refusal(endpoints):
        raise FaultNotApplied(refusal)
