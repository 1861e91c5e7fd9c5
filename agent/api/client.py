"""A client of the API, for commands: one call after another, and no redirects, so that a token goes nowhere else."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from alertdrill.agent.errors import ConfigError, ServiceUnavailable
from alertdrill.chaos.secret_source import SecretMissing, read_secret
from alertdrill.units import json_text
from alertdrill.units.text import one_line

_BASE = "/api/v1"
_TIMEOUT_SECONDS = 30.0
_MOST_BYTES = 8 * 2**20
_MOST_VALUES = 500_000


@dataclass(frozen=True)
class ApiClient:
    """The agent at a URL; `headers` are sent with each call."""

    server: str
    context: ssl.SSLContext | None = None
    headers: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, server: str, token_file: Path | None, ca_file: Path | None) -> Self:
        """Make a client; raises ConfigError for a URL, a token or an authority that cannot be used."""
        try:
            parts = urlsplit(server)
            is_right = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or 1)
        except ValueError:
            is_right = False
        if not is_right or parts.username or parts.query or parts.fragment:
            raise ConfigError("--server: it is not the URL of an agent, expected one such as http://127.0.0.1:9095")
        try:
            token = read_secret(token_file, None)
            context = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        except SecretMissing as error:
            raise ConfigError(f"--token-file: {error}") from error
        except OSError as error:
            raise ConfigError(f"--ca-file: {ca_file} cannot be used: {error.strerror or error}") from error
        return cls(server.rstrip("/"), context, {} if token is None else {"Authorization": f"Bearer {token}"})

    def get(self, path: str) -> dict[str, Any]:
        """Read something; raises ServiceUnavailable, and ConfigError when the agent refuses."""
        return self._call("GET", path, None, {})

    def post(self, path: str, body: dict[str, str], key: str = "") -> dict[str, Any]:
        """Change something; raises what `get` does."""
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        return self._call("POST", path, json.dumps(body), headers)

    def _call(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> dict[str, Any]:
        parts = urlsplit(self.server)
        connection = self._connection(parts.hostname or "", parts.port)
        try:
            connection.request(method, f"{parts.path}{_BASE}{path}", body, headers | self.headers)
            answer = connection.getresponse()
            content = answer.read(_MOST_BYTES)
            value = json_text.parse(content, _MOST_VALUES) if content.startswith(b"{") else None
        except (OSError, HTTPException, ValueError) as error:
            raise ServiceUnavailable(f"{self.server} does not answer as an agent: {_why(error)}") from error
        finally:
            connection.close()
        if not isinstance(value, dict):
            raise ServiceUnavailable(f"{self.server} does not answer as an agent: status {answer.status}, not JSON")
        if answer.status >= 300:
            raise ConfigError(*_refusal(answer.status, value))
        return value

    def _connection(self, host: str, port: int | None) -> HTTPConnection:
        if self.context is None:
            return HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
        return HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=self.context)


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); name its authority with --ca-file"
    if isinstance(error, ssl.SSLError):
        return f"TLS fails ({error.reason or error}); without tls_server_config in web.yml it is http://…"
    return one_line(getattr(error, "strerror", None) or error)


def _refusal(status: int, problem: dict[str, Any]) -> list[str]:
    title = f"the agent refused it ({status}): {one_line(problem.get('title', ''))}"
    errors = problem.get("errors")
    if isinstance(errors, list) and errors:
        return [title, *(one_line(error) for error in errors)]
    detail = one_line(problem.get("detail", ""))
    return [f"{title}: {detail}" if detail else title]
