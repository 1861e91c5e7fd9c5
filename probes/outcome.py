"""The outcome of one transaction, and the names under which its requests are counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Reason = Literal["refused", "reset", "timeout", "tls", "bad_answer", "check", "unreachable", "unfinished"]
"""Why a transaction failed; `unfinished` ones had no answer when the load had waited for the last answers."""

UNANSWERED: tuple[Reason, ...] = ("refused", "reset", "timeout", "unreachable", "unfinished")
"""The reasons of a failure without an answer."""

WITHOUT_ANSWER: tuple[Reason, ...] = (*UNANSWERED, "tls")
"""The reasons of transactions that got no answer of the probe's protocol; a `bad_answer` is one."""

UNFINISHED = "the load ended before its answer"
"""The detail of an unfinished transaction."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a request waited for before it could be sent: `waited_seconds` in all, and the parts that opened a connection.

    `tls_seconds` is None where the client cannot tell the handshake from the rest.
    """

    waited_seconds: float
    connecting_seconds: float = 0.0
    tls_seconds: float | None = 0.0


@dataclass(frozen=True, slots=True)
class NamedRequest:
    """A named request of a transaction, for transactions of several requests and for those of a mix.

    `failed` is what k6's http_req_failed counts: no answer, or a status of 400 or more. `seconds` begin when the
    request could be sent, after its `opening`. The answer to a redirect is followed by another request, and has no checks.
    """

    name: str
    seconds: float
    failed: bool
    opening: Opening | None = field(default=None, compare=False)
    is_redirect: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a transaction ended. Without a reason it succeeded; `detail` explains a failure to people.

    `failed_checks` are the names of the checks that failed.
    `refused_by_status` means that the answer's status was 400 or more, also where the checks expect that.
    `requests` is empty when the transaction was a single request under the probe's own name. Its `opening` is here
    then, and None when it was sent at once; or its `hops` when it was redirected: every request up to the answer.
    `trace_id` is that of a failed transaction that had a `traceparent`.
    """

    reason: Reason | None = None
    detail: str = ""
    failed_checks: tuple[str, ...] = ()
    refused_by_status: bool = False
    requests: tuple[NamedRequest, ...] = ()
    opening: Opening | None = field(default=None, compare=False)
    hops: tuple[NamedRequest, ...] = field(default=(), compare=False)
    trace_id: str = field(default="", compare=False)


@dataclass(frozen=True)
class Counted:
    """The name under which a request is counted, and the names of its checks."""

    name: str
    checks: tuple[str, ...]
