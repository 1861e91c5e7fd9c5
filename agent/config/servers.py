"""The servers of agent.yml: their URLs and credentials, with the keys that Prometheus uses.

    prometheus:
      url: https://mimir.example/prometheus         # with its path prefix
      basic_auth: {username: drill, password_file: secrets/password}
      tls: {ca_file: secrets/ca.crt}
      headers: {X-Scope-OrgID: team-a}
      timeout: 5s

`bearer_token` can replace `basic_auth`; paths are relative to the file.
"""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator

from alertdrill.chaos.secret_source import beside_its_file
from alertdrill.units.duration import Duration
from alertdrill.units.headers import HeaderName, require_unframed
from alertdrill.units.secrecy import shown_url
from alertdrill.units.settings import Secret, Settings
from alertdrill.units.tls import TlsSettings


class ServerSettings(Settings):
    """A server with an HTTP API."""

    url: str

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            parsed = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or 1)
        except ValueError:
            parsed = None
        if not parsed:
            msg = f"{shown_url(url)!r} is not a URL, expected http://… or https://…"
            raise ValueError(msg)
        if parts.username is not None or parts.password is not None:
            # The message does not repeat the URL, because it holds a secret.
            msg = "holds a user name or a password, expected them as keys, such as `basic_auth` of prometheus"
            raise ValueError(msg)
        if parts.query or parts.fragment:
            msg = f"{shown_url(url)!r} holds a query or a fragment, expected a path at most"
            raise ValueError(msg)
        return url.rstrip("/")


class BasicAuth(Settings):
    """A user name and its password."""

    username: str = Field(pattern=r"^[^:\x00-\x1f\x7f]+$")
    password: Secret

    def as_header(self) -> str:
        """Return the value of `Authorization`, with the password as plain text."""
        pair = f"{self.username}:{self.password.get_secret_value()}"
        return "Basic " + base64.b64encode(pair.encode()).decode()


def require_token(token: Secret | None) -> Secret | None:
    """Return a token; raises ValueError if it cannot be sent in a header."""
    if token is not None and not re.fullmatch("[!-~]+", token.get_secret_value()):
        msg = "is not a token, expected one word of ASCII text"
        raise ValueError(msg)
    return token


class MonitoringServer(ServerSettings):
    """Prometheus or Alertmanager, or a server with the same API, such as Thanos and Mimir.

    Every request has these `headers`; their values print as `<secret>`. `timeout` is for each request.
    """

    basic_auth: BasicAuth | None = None
    bearer_token: Secret | None = None
    tls: TlsSettings = TlsSettings()
    headers: dict[HeaderName, Secret] = {}
    timeout: Duration = Field(default=timedelta(seconds=3), gt=timedelta(0))

    @field_validator("headers")
    @classmethod
    def _headers_are_printable(cls, headers: dict[str, Secret]) -> dict[str, Secret]:
        require_unframed(headers)
        for name, value in headers.items():
            if not value.get_secret_value().isprintable():
                msg = f"the header {name} holds a control character, expected one line of text"
                raise ValueError(msg)
        return headers

    @field_validator("bearer_token")
    @classmethod
    def _token_is_ascii(cls, token: Secret | None) -> Secret | None:
        return require_token(token)

    @model_validator(mode="after")
    def _has_one_credential(self) -> Self:
        ways = [name for name in ("basic_auth", "bearer_token") if getattr(self, name) is not None]
        ways += [f"headers.{name}" for name in self.headers if name.lower() == "authorization"]
        if len(ways) > 1:
            msg = f"has both {ways[0]} and {ways[1]}, expected one of them"
            raise ValueError(msg)
        return self

    def sent_headers(self) -> dict[str, str]:
        """Return the headers of each request, with the secrets as plain text."""
        sent = {name: value.get_secret_value() for name, value in self.headers.items()}
        if self.basic_auth is not None:
            sent["Authorization"] = self.basic_auth.as_header()
        if self.bearer_token is not None:
            sent["Authorization"] = f"Bearer {self.bearer_token.get_secret_value()}"
        return sent


class Grafana(ServerSettings):
    """A Grafana, and the folder with the JSON of its dashboards; a relative path is relative to the file.

    With `token`, that of a service account, `alertdrill run` writes an annotation for each fault.
    """

    dashboards: Path
    token: Secret | None = None
    tls: TlsSettings = TlsSettings()

    @field_validator("token")
    @classmethod
    def _token_is_ascii(cls, token: Secret | None) -> Secret | None:
        return require_token(token)

    @model_validator(mode="before")
    @classmethod
    def _resolve_dashboards(cls, values: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - what YAML held
        if not isinstance(values, dict):
            return values
        # Set even where it is the default: a configuration that is validated again has no file for a relative path.
        folder = Path(values.get("dashboards", "grafana/dashboards"))
        return values | {"dashboards": beside_its_file(folder, info)}
