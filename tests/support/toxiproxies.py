"""The real and the embedded Toxiproxy server, and their responses without random parts."""

from __future__ import annotations

import http.client
import json
import re
import socket
import struct
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from alertdrill.lab.ports import free_ports
from alertdrill.lab.programs import find_programs
from alertdrill.lab.server import Server, Spec

ROOT = Path(__file__).parents[2]
KINDS = ("real", "embedded")

_REQUEST_ID = re.compile(r"[0-9a-v]{20}")
_CHOSEN_PORT = re.compile(r'"listen":"127\.0\.0\.1:\d+"')
_PORTS_OF_TESTS = 4
_NOT_COMPARED = re.compile(r"(?<=Request-Id: )[0-9a-v]{20}|(?<=Date: )[^\r]+|(?<=Content-Length: )\d+")
_WORDING = re.compile(r'((?<="error":")(?:bad request body: |(?:listen tcp: )?(?=address |lookup )))(?:[^"\\]|\\.)*')


@dataclass(frozen=True)
class Answer:
    """A response, comparable between servers: different ports have the same names.

    A JSON body is parsed, with its keys in order. Two things are left out: the reason why a body or an address is
    malformed, because each server has its own words, and the length of the body.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: Any


@dataclass
class ToxiproxyServer:
    """A running server; `{port0}` and so on in a request stand for its own free ports."""

    kind: str
    port: int
    pid: int
    ports: list[int] = field(default_factory=lambda: free_ports(_PORTS_OF_TESTS))

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def raw(
        self, method: str, path: str, body: str | bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Send a request, and return status, headers and body unchanged."""
        try:
            self._connection.request(method, path, body=body, headers={"Connection": "keep-alive", **(headers or {})})
            response = self._connection.getresponse()
            return response.status, response.getheaders(), response.read()
        except OSError:
            # The next request begins with a new connection.
            self._connection.close()
            raise

    def ask(self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request, and return the comparable response."""
        sent = None if body is None else self._fill(body).encode()
        status, given, content = self.raw(method, path, sent, headers)
        return Answer(status, tuple(sorted(map(_mask, given))), _parsed(self._unfill(content.decode())))

    def json(self, method: str, path: str, body: str | None = None) -> Any:
        """Send a request, and return the JSON of a successful response."""
        status, _, content = self.raw(method, path, body)
        assert status < 300, content
        return json.loads(content) if content else None

    def exchange(self, sent: bytes) -> str:
        """Send bytes on a new connection; return all that comes back until it ends, comparable between servers."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            with suppress(OSError):
                connection.sendall(sent)
            received = b""
            while data := connection.recv(65536):
                received += data
        text = received.decode("latin-1")
        return _NOT_COMPARED.sub("…", _WORDING.sub(r"\1", text))

    def clear(self) -> None:
        """Delete every proxy."""
        for name in self.json("GET", "/proxies"):
            self.raw("DELETE", f"/proxies/{quote(name, safe='')}")

    def _fill(self, text: str) -> str:
        for number, port in enumerate(self.ports):
            text = text.replace(f"{{port{number}}}", str(port))
        return text

    def _unfill(self, text: str) -> str:
        for number, port in enumerate(self.ports):
            text = text.replace(f":{port}", f":{{port{number}}}")
        return _CHOSEN_PORT.sub('"listen":"127.0.0.1:chosen"', text)


def _mask(header: tuple[str, str]) -> tuple[str, str]:
    name, value = header
    if name == "X-Toxiproxy-Request-Id" and _REQUEST_ID.fullmatch(value):
        return name, "an id"
    return (name, "not compared") if name in {"Date", "Content-Length"} else (name, value)


def _parsed(body: str) -> Any:
    try:
        return json.loads(_WORDING.sub(r"\1", body), object_pairs_hook=_pairs)
    except ValueError:
        return body


def _pairs(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    # The real server has 32 bits for a toxicity.
    return [(key, struct.pack("f", value or 0) if key == "toxicity" else value) for key, value in pairs]


def command(kind: str) -> list[str]:
    """Return the command of a server; both have the same flags."""
    if kind == "real":
        program = find_programs().get("toxiproxy")
        return [str(program)] if program else pytest.skip("toxiproxy-server is not installed: make setup")
    return [sys.executable, "-m", "alertdrill.chaos.toxiproxy.embedded"]


@asynccontextmanager
async def running(kind: str, folder: Path, *flags: str) -> AsyncIterator[ToxiproxyServer]:
    """Start a server in a folder; it ends with the block."""
    (port,) = free_ports(1)
    how = [*command(kind), "-host", "127.0.0.1", "-port", str(port), *flags]
    spec = Spec(f"toxiproxy-{kind}", how, port, health="/version", environment={"PYTHONPATH": str(ROOT)})
    server = Server(spec, folder, find_programs()["setpriv"])
    try:
        await server.wait_ready()
        yield ToxiproxyServer(kind, port, server.pid)
    finally:
        await server.stop()
