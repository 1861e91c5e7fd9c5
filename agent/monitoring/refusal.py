"""Why a server did not answer as it should, and what to do about it: each a part of one line."""

from __future__ import annotations

import json
import ssl

import aiohttp

from alertdrill.agent.config.servers import MonitoringServer
from alertdrill.units.duration import format_duration

_LONGEST_EXCERPT = 200
_AWAY = "it is starting or overloaded, or what stands in front of it does not reach it"
# The text of Go's HTTP server, which is Prometheus' and Alertmanager's.
_SPEAKS_HTTPS = "HTTP request to an HTTPS server"
# The text of Cortex, Mimir and Thanos' receiver.
_WANTS_TENANT = "no org id"


def one_line(text: str, longest: int = _LONGEST_EXCERPT) -> str:
    """Put a text of somebody else's into one line, without what a terminal would obey."""
    line = "".join(character for character in " ".join(text.split()) if character.isprintable())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def is_page(body: bytes) -> bool:
    """Tell whether an answer is a web page."""
    return body.lstrip()[:1] == b"<"


def excerpt(body: bytes) -> str:
    """Tell what an answer says went wrong."""
    if is_page(body):
        return "a web page"
    text = body.decode(errors="replace")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return one_line(text)
    if isinstance(answer, dict) and "error" in answer:
        return one_line(f"{answer.get('errorType', 'error')}: {answer['error']}")
    return one_line(answer if isinstance(answer, str) else text)


def remedy(status: int, location: str, said: str, server: MonitoringServer) -> str:
    """Tell what to do about a status of 300 or more; empty when the answer itself says it."""
    if status < 400:
        return f"it sends us to {one_line(location) or 'another page'}: set the `url` behind that, or what lets us in"
    if _SPEAKS_HTTPS in said:
        return "set a `url` of https://"
    if _WANTS_TENANT in said:
        return "set `headers: {X-Scope-OrgID: …}`"
    if status in {502, 503, 504}:
        return _AWAY
    remedies = {
        401: _identification(server),
        403: "whoever we are to it may not do that: check what lets us in, and `headers`",
        404: "is the path of `url` right? It may need a prefix, such as /prometheus",
        429: "it is asked too often: try again later",
    }
    return remedies.get(status, "")


def unreachable(error: Exception, server: MonitoringServer) -> str:
    """Tell why there was no answer at all, or no whole one."""
    cause = getattr(error, "os_error", error)
    if isinstance(error, TimeoutError):
        return f"no answer within {format_duration(server.timeout)}; is it overloaded, or `timeout` too short?"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted: {_distrust(error)}; set `tls.ca_file` or `tls.server_name`"
    if isinstance(error, aiohttp.ClientConnectorSSLError | ssl.SSLError) or isinstance(cause, ssl.SSLError):
        return f"TLS failed: {one_line(str(cause))}; does it speak http://, or want a `tls.cert_file`?"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"its name is not known: {one_line(str(cause))}; is `url` right?"
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused; does it run, and is the port of `url` right?"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError):
        wants_ours = server.url.startswith("https:") and server.tls.cert_file is None
        doubt = "does it want a `tls.cert_file`?" if wants_ours else "is `url` right?"
        return f"it broke off: {one_line(str(error)) or type(error).__name__}; {doubt}"
    if isinstance(error, aiohttp.ClientPayloadError):
        return f"it broke off its answer: {one_line(str(error))}"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"it does not speak HTTP: {one_line(error.message)}; is `url` right?"
    return one_line(str(error)) or type(error).__name__


def _identification(server: MonitoringServer) -> str:
    if server.basic_auth is not None:
        return "it does not take the user name and password of `basic_auth`"
    if server.bearer_token is not None:
        return "it does not take the `bearer_token`"
    return "it wants to know who we are: set `basic_auth` or `bearer_token`"


def _distrust(error: aiohttp.ClientConnectorCertificateError) -> str:
    cause = error.certificate_error
    return one_line(cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else str(cause))
