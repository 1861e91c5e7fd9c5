"""The outcome of one transaction, and the names under which its requests are counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reason = Literal["refused", "reset", "timeout", "tls", "bad_answer", "check", "unreachable"]


@dataclass(frozen=True, slots=True)
class Request:
    """A named request of a transaction, for transactions of several requests and for those of a mix.

    `failed` is what k6's http_req_failed counts: no answer, or a status of 400 or more.
    """

    name: str
    seconds: float
    failed: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a transaction ended. Without a reason it succeeded; `detail` explains a failure to people.

    `failed_checks` are the names of the checks that failed.
    `refused_by_status` means that the answer's status was 400 or more, also where the checks expect that.
    `requests` is empty when the transaction was a single request under the probe's own name.
    """

    reason: Reason | None = None
    detail: str = ""
    failed_checks: tuple[str, ...] = ()
    refused_by_status: bool = False
    requests: tuple[Request, ...] = ()


@dataclass(frozen=True)
class Counted:
    """The name under which a request is counted, and the names of its checks."""

    name: str
    checks: tuple[str, ...]
