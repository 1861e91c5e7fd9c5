"""Starting a lab for a command, and pointing a configuration at it.

Only the lab needs the lab's libraries, and a sidecar does not have them: they are imported when a lab is started.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import alertdrill
from alertdrill.lab.parts import LabParts
from alertdrill.units.extras import require_library
from alertdrill.units.settings import Secret

if TYPE_CHECKING:
    from alertdrill.agent.config.agent import AgentConfig
    from alertdrill.lab.stack import Lab

# These faults lose data, but only data of the lab.
_ALLOWED_AT_THE_LAB = ["flush redis:6379", "fill redis:6379", "block redis:6379", "kill postgres:5432"]


_DEFAULT = Path("configs/agent.yml")
_SHIPPED = Path(alertdrill.__file__).parent / _DEFAULT


def configuration(given: Path | None, *, lab: bool = False) -> Path:
    """Return the agent.yml to read: the given one, else configs/agent.yml here, else for a lab the shipped one."""
    return given or (_SHIPPED if lab and not _DEFAULT.exists() else _DEFAULT)


def require_libraries() -> None:
    """Find the libraries of the lab; raises LibraryMissing."""
    for library in ("toxiproxy", "asyncpg", "redis", "aiokafka"):
        require_library(library, "lab")


@asynccontextmanager
async def started(
    folder: Path,
    time_scale: float,
    tell: Callable[[str], None],
    parts: LabParts = LabParts(),  # noqa: B008 - frozen
) -> AsyncIterator[Lab]:
    """Run a lab for the length of the block; `folder` holds prometheus/ and alertmanager/.

    Raises LabError, LibraryMissing.
    """
    require_libraries()
    from alertdrill.lab.stack import Lab

    tell("lab: starting real servers")
    async with Lab(folder, time_scale, parts=parts) as lab:
        tell(f"lab: {len(lab.servers)} servers are ready")
        yield lab


def at_the_lab(
    config: AgentConfig, addresses: dict[str, str], ledger: Path, time_scale: float, webhook_token: str | None = None
) -> AgentConfig:
    """Point a configuration at a lab, whose Alertmanager sends the token to the agent's webhook."""
    own = {
        "listen": addresses["alertdrill:9095"],
        "webhook_token": webhook_token and Secret(webhook_token),
        "webhook_basic_auth": None,
        "ledger": ledger,
        "time_scale": time_scale,
        "addresses": addresses,
        "allow": _ALLOWED_AT_THE_LAB,
        "password_files": {"postgres:5432": ledger.parent / "postgres" / "password"},
    }
    return _with_all_servers(config).relocated(addresses).model_copy(update=own)


def _with_all_servers(config: AgentConfig) -> AgentConfig:
    """Name the servers that a lab has and the configuration does not: drills there may use them."""
    named = {"alertmanager": "http://alertmanager:9093", "toxiproxy": "http://toxiproxy:8474"}
    missing = {key: {"url": url} for key, url in named.items() if getattr(config, key) is None}
    values = config.model_dump(by_alias=True, exclude_unset=True) | missing
    return config.model_validate(values) if missing else config
