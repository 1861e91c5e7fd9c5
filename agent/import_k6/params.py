"""Converts the `params` of a request: headers, timeout, and the tag with its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from alertdrill.agent.import_k6.durations import duration
from alertdrill.agent.import_k6.notes import NotCarried, Notes, refusal_as_not_carried
from alertdrill.agent.import_k6.values import Value, entries, text_of
from alertdrill.probes.data.template import compile_header
from alertdrill.probes.http.settings import HttpRequest

# The default of k6, twice that of a probe.
DEFAULT_TIMEOUT = "60s"
_BEARER = re.compile(r"Bearer (\S+)")
_LEFT_OUT = {
    "auth": "write the header Authorization",
    "cookies": "write the header Cookie, or client: aiohttp, which keeps cookies",
    "jar": "client: aiohttp keeps cookies",
    "redirects": "client: aiohttp follows redirects, and the default client does not",
}


def read_params(params: Value, notes: Notes) -> dict[str, Any]:
    """Return the keys of a request that its `params` set."""
    read: dict[str, Any] = {"timeout": DEFAULT_TIMEOUT}
    try:
        parts = {} if params.content is None else entries(params)
    except NotCarried as reason:
        notes.lost("params", reason)
        return read
    for key, value in parts.items():
        try:
            read |= _READERS[key](value, notes) if key in _READERS else _left_out(key, value)
        except NotCarried as reason:
            notes.lost(f"params.{key}", reason)
    return read


def _left_out(key: str, value: Value) -> dict[str, Any]:
    # The default client follows no redirects either.
    if key == "redirects" and value.content == 0:
        return {}
    raise NotCarried(value.line, _LEFT_OUT.get(key, "a request has no such setting"))


def _timeout(value: Value, _: Notes) -> dict[str, Any]:
    timeout = duration(value)
    if timeout in {"0", "0s"}:
        raise NotCarried(value.line, "a request needs a timeout above 0")
    return {"timeout": timeout}


def _tags(value: Value, notes: Notes) -> dict[str, Any]:
    name = None
    for key, tag in entries(value).items():
        if key == "name":
            name = text_of(tag)
        else:
            notes.not_carried(tag.line, f"params.tags.{key}", "a request has a name and no other tags")
    return {"name": name} if name else {}


def _headers(value: Value, notes: Notes) -> dict[str, Any]:
    headers: dict[str, str] = {}
    for name, given in entries(value).items():
        try:
            headers[name] = _header(name, given)
        except NotCarried as reason:
            notes.lost(f"the header {name}", reason)
    for name, text in headers.items():
        token = _BEARER.fullmatch(text)
        if name.lower() == "authorization" and token is not None:
            return {"bearer_token": token[1], "headers": {key: of for key, of in headers.items() if key != name}}
    return {"headers": headers}


def _header(name: str, value: Value) -> str:
    text = text_of(value)
    with refusal_as_not_carried(value.line):
        compile_header(text, ())
        HttpRequest(url="http://localhost/", headers={name: text})
    return text


_READERS: dict[str, Callable[[Value, Notes], dict[str, Any]]] = {
    "headers": _headers,
    "tags": _tags,
    "timeout": _timeout,
}
