"""What became of one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reason = Literal["refused", "reset", "timeout", "tls", "bad_answer", "check", "unreachable"]


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a transaction that makes several, or that is one of several kinds.

    `failed` is what k6's http_req_failed counts: no answer, or a status of 400 and more.
    """

    name: str
    seconds: float
    failed: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a transaction ended: no reason means that it succeeded; `detail` is for people.

    `failed_checks` names the checks on the answer that did not hold.
    `refused_by_status` tells that the answer's status was 400 or more, whatever the checks say of it.
    `requests` is empty when the transaction was a single request under the probe's own name.
    """

    reason: Reason | None = None
    detail: str = ""
    failed_checks: tuple[str, ...] = ()
    refused_by_status: bool = False
    requests: tuple[Request, ...] = ()


@dataclass(frozen=True)
class Counted:
    """A request by the name under which it is counted, and the names of its checks."""

    name: str
    checks: tuple[str, ...]
