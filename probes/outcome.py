"""What became of one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reason = Literal["refused", "reset", "timeout", "tls", "bad_answer", "check", "unreachable"]


@dataclass(frozen=True)
class Outcome:
    """How a transaction ended: no reason means that it succeeded; `detail` is for people."""

    reason: Reason | None = None
    detail: str = ""
