"""Reasons for failures between this process and a server, the same for every protocol."""

from __future__ import annotations

import errno
import re
import socket
import ssl

from alertdrill.probes.outcome import Reason

_NUMBER = re.compile(r"\[Errno (\d+)\]")


def explain(error: OSError, limit_seconds: float) -> tuple[Reason, str]:
    """Return the reason why there is no answer, and a text for people; a TimeoutError waited for `limit_seconds`."""
    if isinstance(error, ssl.SSLError):
        return "tls", str(error)
    if isinstance(error, TimeoutError) and error.errno is None:
        return "timeout", f"no answer within {limit_seconds:g} s"
    if isinstance(error, socket.gaierror):
        return "unreachable", f"the server's name cannot be resolved: {error.strerror or error}"
    if isinstance(error, ConnectionRefusedError) or _every_address_refused(error):
        return "refused", str(error)
    if isinstance(error, ConnectionError):
        return "reset", str(error) or "the connection was closed"
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return "unreachable", f"{error}: this process may not open more files, raise its limit (ulimit -n)"
    return "unreachable", str(error)


def _every_address_refused(error: OSError) -> bool:
    """Whether a server refused at all its addresses: the event loop raises their errors joined in one text."""
    numbers = _NUMBER.findall(str(error)) if error.errno is None else []
    return bool(numbers) and set(numbers) == {str(errno.ECONNREFUSED)}
