"""W3C trace context: some transactions have a trace of their own, in which the service's own spans stand.

https://www.w3.org/TR/trace-context/#traceparent-header

A span of an OpenTelemetry library costs more than a whole transaction here, so there is none: the header alone makes
the service begin its trace, and the recording names the traces of those that failed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from alertdrill.probes.client import Ended
from alertdrill.probes.outcome import Outcome

HEADER = "traceparent"


def sampler(every: int | None) -> Callable[[], str]:
    """Return a function that gives a new trace id for each n-th transaction, and an empty text for all others."""
    if every is None:
        return str
    left = every

    def next_trace() -> str:
        nonlocal left
        left -= 1
        if left:
            return ""
        left = every
        return os.urandom(16).hex()

    return next_trace


def traceparent(trace_id: str) -> str:
    """Return the value of the header for one request of a trace: a random parent, and the flag that it is sampled."""
    return f"00-{trace_id}-{os.urandom(8).hex()}-01"


def with_trace(request: bytes, trace_id: str) -> bytes:
    """Add the header to the bytes of a request."""
    line, end, rest = request.partition(b"\r\n")
    return line + end + f"{HEADER}: {traceparent(trace_id)}\r\n".encode() + rest


def naming(ended: Ended, trace_id: str) -> Ended:
    """Return a function that gives an outcome on; that of a failure names its trace."""
    return partial(_named, ended, trace_id)


def _named(ended: Ended, trace_id: str, outcome: Outcome) -> None:
    ended(outcome if outcome.reason is None else replace(outcome, trace_id=trace_id))
