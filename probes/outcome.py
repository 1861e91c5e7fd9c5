"""What became of one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reason = Literal["refused", "reset", "timeout", "tls", "bad_answer", "check", "unreachable"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a transaction ended: no reason means that it succeeded; `detail` is for people.

    `failed_checks` names the checks on the answer that did not hold.
    """

    reason: Reason | None = None
    detail: str = ""
    failed_checks: tuple[str, ...] = ()
