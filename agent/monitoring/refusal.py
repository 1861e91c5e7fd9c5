"""Messages about servers that do not answer as expected: the reason and a remedy, each a part of one line."""

from __future__ import annotations

import ssl

import aiohttp

from alertdrill.agent.config.servers import MonitoringServer
from alertdrill.units import json_text
from alertdrill.units.duration import format_duration
from alertdrill.units.secrecy import shown_url

_LONGEST_EXCERPT = 200
# An error has a few values and a short text; of a longer one the rest is not looked at.
_MOST_VALUES = 10_000
_LONGEST_TEXT = 10_000
_AWAY = "it is starting or overloaded, or the proxy in front of it does not reach it"
# The text of Go's HTTP server, which Prometheus and Alertmanager use.
_SPEAKS_HTTPS = "HTTP request to an HTTPS server"
# The text of Cortex, Mimir and Thanos' receiver.
_WANTS_TENANT = "no org id"


def short_line(text: str, longest: int = _LONGEST_EXCERPT) -> str:
    """Return a text from outside as one line, without control characters for a terminal."""
    line = "".join(character for character in " ".join(text[:_LONGEST_TEXT].split()) if character.isprintable())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def is_page(body: bytes) -> bool:
    """Return whether an answer is a web page."""
    return body.lstrip()[:1] == b"<"


def excerpt(body: bytes) -> str:
    """Return the error that an answer reports."""
    if is_page(body):
        return "a web page"
    text = body.decode(errors="replace")
    try:
        answer = json_text.parse(body, _MOST_VALUES)
    except ValueError:
        return short_line(text)
    if isinstance(answer, dict) and "error" in answer:
        return short_line(f"{answer.get('errorType', 'error')}: {answer['error']}")
    return short_line(answer if isinstance(answer, str) else text)


def remedy(status: int, location: str, message: str, server: MonitoringServer) -> str:
    """Return a remedy for a status of 300 or more; empty if the answer itself has one."""
    if status < 400:
        return (
            f"it redirects to {short_line(shown_url(location)) or 'another page'}: set that `url`, or the credentials"
        )
    if _SPEAKS_HTTPS in message:
        return "set a `url` of https://"
    if _WANTS_TENANT in message:
        return "set `headers: {X-Scope-OrgID: …}`"
    if status in {502, 503, 504}:
        return _AWAY
    remedies = {
        401: _identification(server),
        403: "these credentials are not allowed to do that: check them, and `headers`",
        404: "is the path of `url` right? It may need a prefix, such as /prometheus",
        429: "too many requests: try again later",
    }
    return remedies.get(status, "")


def unreachable(error: Exception, server: MonitoringServer) -> str:
    """Return why there was no answer, or only a part of one."""
    cause = getattr(error, "os_error", error)
    if isinstance(error, TimeoutError):
        return f"no answer within {format_duration(server.timeout)}; is it overloaded, or `timeout` too short?"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted: {_distrust(error)}; set `tls.ca_file` or `tls.server_name`"
    if isinstance(error, aiohttp.ClientConnectorSSLError | ssl.SSLError) or isinstance(cause, ssl.SSLError):
        return f"TLS failed: {short_line(str(cause))}; does it speak http://, or require a `tls.cert_file`?"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"its name is not known: {short_line(str(cause))}; is `url` right?"
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused; does it run, and is the port of `url` right?"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError):
        wants_ours = server.url.startswith("https:") and server.tls.cert_file is None
        doubt = "does it require a `tls.cert_file`?" if wants_ours else "is `url` right?"
        return f"it broke off: {short_line(str(error)) or type(error).__name__}; {doubt}"
    if isinstance(error, aiohttp.ClientPayloadError):
        return f"it broke off its answer: {short_line(str(error))}"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"it does not speak HTTP: {short_line(error.message)}; is `url` right?"
    return short_line(str(error)) or type(error).__name__


def _identification(server: MonitoringServer) -> str:
    if server.basic_auth is not None:
        return "it rejects the user name and password of `basic_auth`"
    if server.bearer_token is not None:
        return "it rejects the `bearer_token`"
    return "it requires credentials: set `basic_auth` or `bearer_token`"


def _distrust(error: aiohttp.ClientConnectorCertificateError) -> str:
    cause = error.certificate_error
    return short_line(cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else str(cause))
