"""The request of an HTTP fault, and the page that confirms its effect."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from alertdrill.chaos.secret_source import PathBesideFile
from alertdrill.units.duration import Duration
from alertdrill.units.headers import HeaderName, require_public, require_unframed
from alertdrill.units.secrecy import secret_key, secret_parameter, shown_url
from alertdrill.units.settings import Settings


def _http_url(url: str, info: ValidationInfo) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = f"{shown_url(url)!r} is not a URL, expected http://… or https://…"
        raise ValueError(msg)
    if parts.username is not None or parts.password is not None:
        # The message does not repeat the URL, which holds a secret.
        msg = "holds a user name or a password, expected them in headers_file or headers_env"
        raise ValueError(msg)
    try:
        _ = parts.port
    except ValueError as error:
        msg = f"{shown_url(url)!r} has a wrong port, expected 1 to 65535"
        raise ValueError(msg) from error
    if _is_from_a_file(info) and (name := secret_parameter(parts.query)):
        msg = f"has the parameter {name}, which would stand in the ledger and recordings, expected it in query_file"
        raise ValueError(msg)
    return url


def _is_from_a_file(info: ValidationInfo) -> bool:
    """Whether a user wrote it; recordings and ledgers of older versions may hold what is refused today."""
    return bool(info.context)


_Url = Annotated[str, AfterValidator(_http_url)]


class Confirmation(Settings):
    """A page that shows, within a time limit, the effect of the call."""

    url: _Url
    contains: str = Field(min_length=1)
    within: Duration = Field(default=timedelta(seconds=5), gt=timedelta(0))


class Call(Settings):
    """One request, the expected statuses (any 2xx by default), and the page that shows its effect.

    A body that is not a text is sent as JSON. What is secret is in a file or a variable, and read when it is used: header
    values, parameters of the URL (`query_file`), or the whole body.
    """

    url: _Url
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: dict[HeaderName, str] = {}
    headers_file: dict[HeaderName, PathBesideFile] = {}
    headers_env: dict[HeaderName, str] = {}
    query_file: dict[str, PathBesideFile] = {}
    body: str | dict[str, Any] | list[Any] | None = None
    body_file: PathBesideFile | None = None
    status: tuple[int, ...] = ()
    timeout: Duration = Field(default=timedelta(seconds=5), gt=timedelta(0))
    confirm: Confirmation | None = None

    @field_validator("status", mode="before")
    @classmethod
    def _as_tuple(cls, status: object) -> object:
        return (status,) if isinstance(status, int) else status

    @field_validator("headers", "headers_file", "headers_env")
    @classmethod
    def _headers_are_printable(cls, headers: dict[str, Any]) -> dict[str, Any]:
        require_unframed(headers)
        return headers

    @field_validator("headers")
    @classmethod
    def _headers_are_public(cls, headers: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if _is_from_a_file(info):
            require_public(headers)
        return headers

    @field_validator("body")
    @classmethod
    def _body_is_public(cls, body: object, info: ValidationInfo) -> object:
        if _is_from_a_file(info) and (key := secret_key(body)):
            msg = f"has the key {key}, which would stand in the ledger and recordings, expected the body in body_file"
            raise ValueError(msg)
        return body

    @model_validator(mode="after")
    def _has_one_body(self) -> Self:
        if self.body is not None and self.body_file is not None:
            msg = "has both body and body_file, expected one of them"
            raise ValueError(msg)
        return self

    @property
    def longest(self) -> timedelta:
        """The longest time that it takes; the last look at the page may begin just before its time is over."""
        return self.timeout + (self.confirm.within + self.timeout if self.confirm else timedelta(0))

    def located(self, locate: Callable[[str], str]) -> Call:
        """Replace the names in its URLs by addresses."""
        confirm = self.confirm and self.confirm.model_copy(update={"url": locate(self.confirm.url)})
        return self.model_copy(update={"url": locate(self.url), "confirm": confirm})
