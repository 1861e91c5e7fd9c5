from __future__ import annotations

import errno
import socket
import ssl

import pytest

from alertdrill.probes.failures import explain

BOTH_REFUSED = "Multiple exceptions: [Errno 111] refused ('::1', 9), [Errno 111] refused ('127.0.0.1', 9)"
ONE_REFUSED = "Multiple exceptions: [Errno 101] no way ('::1', 9), [Errno 111] refused ('127.0.0.1', 9)"


@pytest.mark.parametrize(
    ("error", "reason", "detail"),
    [
        (TimeoutError(), "timeout", "no answer within 1.5 s"),
        (TimeoutError(errno.ETIMEDOUT, "timed out"), "unreachable", "timed out"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "refused", "refused"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "reset", "reset"),
        (ConnectionAbortedError(), "reset", "the connection was closed"),
        (BrokenPipeError(errno.EPIPE, "broken"), "reset", "broken"),
        (ssl.SSLCertVerificationError(1, "verify failed"), "tls", "verify failed"),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), "unreachable", "the server's name cannot be resolved: unknown"),
        (OSError(errno.ENETUNREACH, "no way"), "unreachable", "no way"),
        (OSError(errno.EMFILE, "too many"), "unreachable", "raise its limit (ulimit -n)"),
        (OSError(BOTH_REFUSED), "refused", "Multiple"),
        (OSError(ONE_REFUSED), "unreachable", "Multiple"),
    ],
)
def test_each_failure_has_a_reason_and_a_text(error: OSError, reason: str, detail: str) -> None:
    found, why = explain(error, 1.5)
    assert found == reason
    assert detail in why
