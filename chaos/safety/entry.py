"""An entry of the ledger: one fault, with all that another process needs to undo it."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from alertdrill.chaos.fault import Fault
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.registry import INJECTIONS
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
    return INJECTIONS[kind].model_validate(written)


class Entry(Settings):
    """One fault, its owner, and when it expires; times are in seconds of Unix time."""

    fault: str
    target: str
    drill: str
    owner: Owner
    written_at: float
    expires_at: float
    injection: Annotated[SerializeAsAny[Injection], BeforeValidator(_read_injection)]

    @classmethod
    def of(cls, fault: Fault, injection: Injection, drill: str) -> Entry:
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
        )

    @property
    def is_expired(self) -> bool:
        """Whether it should have been undone by now."""
        return time.time() > self.expires_at
