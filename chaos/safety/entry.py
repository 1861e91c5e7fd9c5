"""An entry of the ledger: one fault, with all that another process needs to undo it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from alertdrill.chaos.fault import Fault
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.registry import INJECTIONS, injection_class
from alertdrill.chaos.safety.owner import Owner
from alertdrill.units.settings import Settings

# The owner itself ends a fault after its longest duration; the watchdog does so if the owner has not.
GRACE = timedelta(seconds=5)


def _read_injection(written: Any) -> Any:  # noqa: ANN401 - parsed JSON
    if isinstance(written, Injection):
        return written
    kind = written.get("kind") if isinstance(written, dict) else None
    if not isinstance(kind, str) or kind not in INJECTIONS:
        msg = f"unknown kind {kind!r}, expected one of: {', '.join(INJECTIONS)}"
        raise ValueError(msg)
    return injection_class(kind).model_validate(written)


class Entry(Settings):
    """One fault, its owner, and when it expires; times are in seconds of Unix time.

    `servers` is what it breaks, so that a drill elsewhere need not wait for its end; entries of older versions have none.
    """

    fault: str
    target: str
    drill: str
    owner: Owner
    written_at: float
    expires_at: float
    injection: Annotated[SerializeAsAny[Injection], BeforeValidator(_read_injection)]
    servers: tuple[str, ...] | None = None

    @classmethod
    def of(cls, fault: Fault, injection: Injection, drill: str, servers: Iterable[str] | None = None) -> Entry:
        """Make the entry of a fault that this process will inject."""
        now = time.time()
        return cls(
            fault=fault.kind,
            target=injection.target,
            drill=drill,
            owner=Owner.this_process(),
            written_at=now,
            expires_at=now + (fault.at_most + GRACE).total_seconds(),
            injection=injection,
            servers=None if servers is None else tuple(sorted(servers)),
        )

    @property
    def is_expired(self) -> bool:
        """Whether it should have been undone by now."""
        return time.time() > self.expires_at


def shown(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry in JSON as it may be shown: without the contents of a manifest, which only the ledger holds."""
    injection = entry.get("injection")
    if not isinstance(injection, dict) or not isinstance(injection.get("objects"), list):
        return entry
    places = [{key: item for key, item in one.items() if key != "body"} for one in injection["objects"]]
    return entry | {"injection": injection | {"objects": places}}
