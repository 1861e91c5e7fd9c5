"""Renders the pages and serves their files, compressed, with a policy that lets a page load nothing from elsewhere."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources

from aiohttp import web
from jinja2 import Environment

from alertdrill.agent.api.calls import compressed, takes_gzip
from alertdrill.agent.api.wire import INSTANT
from alertdrill.agent.pages.routes import STATIC
from alertdrill.agent.report import page, words
from alertdrill.agent.report.drill import wording
from alertdrill.units.text import utc_text

PAGES = (
    ("/", "Now"),
    ("/alerts", "Alerts"),
    ("/runs", "Runs"),
    ("/schedule", "Schedule"),
    ("/load", "Load"),
    ("/kpis", "KPIs"),
    ("/drills", "Start a drill"),
)
"""The pages that every page links to: path and name."""
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".LICENSE": "text/plain"}
_POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}


@dataclass(frozen=True)
class _File:
    """A file of the pages; `version` changes when its content does."""

    content: bytes
    compressed: bytes
    content_type: str
    version: str


@cache
def _files() -> Mapping[str, _File]:
    """Read all files that pages load, by name."""
    folder = resources.files("alertdrill.agent.pages").joinpath("static")
    contents = {one.name: one.read_bytes() for one in folder.iterdir()}
    contents["base.css"] = page.base_style().encode()
    return {name: _file(name, content) for name, content in contents.items()}


def _file(name: str, content: bytes) -> _File:
    content_type = _TYPES[name[name.rindex(".") :]]
    version = hashlib.sha256(content).hexdigest()[:12]
    return _File(content, gzip.compress(content, mtime=0), content_type, version)


def link(name: str) -> str:
    """Return the address of a file, which changes with its content."""
    return f"{STATIC}/{name}?{_files()[name].version}"


def static(request: web.Request) -> web.Response:
    """Return a file of the pages; a browser keeps it, because its address changes with its content."""
    found = _files().get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound(text="there is no such file\n", headers=_HEADERS)
    headers = {**_HEADERS, "Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    body = found.content
    if takes_gzip(request):
        body, headers["Content-Encoding"] = found.compressed, "gzip"
    return web.Response(body=body, content_type=found.content_type, charset="utf-8", headers=headers)


def respond(request: web.Request, text: str, status: int = 200, policy: str = _POLICY) -> web.Response:
    """Return a page; browsers keep no copy of it."""
    headers = {**_HEADERS, "Content-Security-Policy": policy, "Cache-Control": "no-store"}
    body = compressed(request, text.encode(), headers)
    return web.Response(status=status, body=body, content_type="text/html", charset="utf-8", headers=headers)


def render(template: str, **values: object) -> str:
    """Render a template of this package; everything is escaped except Markup."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    made = page.environment(_source)
    made.filters |= {"utc": utc, "iso": utc_text, "written": written, "unix": unix, "age": age}
    made.globals |= {
        "static": link,
        "instant": INSTANT,
        "pages": PAGES,
        "wording": wording,
        "latency": words.latency_words,
        "labels": words.labels_words,
    }
    return made


def _source(template: str) -> str:
    folder = resources.files("alertdrill.agent.pages").joinpath("templates")
    return folder.joinpath(template).read_text(encoding="utf-8")


def utc(instant: datetime) -> str:
    """Format an instant in UTC, to the second."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def written(text: str) -> str:
    """Format an instant that the API has as text, in the zone in which it is written."""
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S}"


def unix(seconds: float) -> str:
    """Format Unix seconds in UTC, to the minute."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def age(seconds: float) -> str:
    """Format a length of time with its largest unit: `3 d`, `5 h`, `12 min`, `40 s`."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"
