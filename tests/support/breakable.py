"""A server that a drill breaks and restores by calls, and that counts them: it shares no code with alertdrill."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Breakable(ThreadingHTTPServer):
    """`POST /begin/NAME` breaks it, `POST /end/NAME` restores it; every other request is answered with 200.

    `begun` counts the calls of each name, `ended` has the instants (`time.monotonic`) of those that restored something,
    and `requests` counts all other requests by whole seconds of `time.monotonic`.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.begun: Counter[str] = Counter()
        self.ended: dict[str, float] = {}
        self.broken: set[str] = set()
        self.requests: Counter[int] = Counter()

    def take(self, path: str) -> None:
        """Do what a call says."""
        _, verb, name = (path + "//").split("/")[:3]
        with self.lock:
            if verb == "begin":
                self.begun[name] += 1
                self.broken.add(name)
            elif verb != "end":
                self.requests[int(time.monotonic())] += 1
            elif name in self.broken:
                self.broken.remove(name)
                self.ended[name] = time.monotonic()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Breakable

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer()

    def _answer(self) -> None:
        self.server.take(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is given
        pass


@contextmanager
def breakable() -> Iterator[Breakable]:
    """Serve on a free loopback port during the block."""
    with Breakable() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
