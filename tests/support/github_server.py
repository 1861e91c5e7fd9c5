"""A server that does with the comments of a pull request what the API of GitHub does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_LONGEST_BODY = 65_536


@dataclass
class GitHub:
    """Its comments; `token` is the one that may write, `asked` the method and path of each request."""

    address: str = ""
    token: str = "secret"  # noqa: S105 - of this server
    comments: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def variables(self, event: str) -> dict[str, str]:
        """Return the variables of a run."""
        return {
            "GITHUB_TOKEN": self.token,
            "GITHUB_REPOSITORY": "shop/rules",
            "GITHUB_API_URL": self.address,
            "GITHUB_EVENT_PATH": event,
        }

    def comment(self, body: str) -> dict[str, Any]:
        """Add a comment."""
        number = 100 + len(self.comments)
        made = {"id": number, "body": body, "html_url": f"{self.address}/shop/rules/pull/7#issuecomment-{number}"}
        self.comments.append(made)
        return made

    def answer(self, method: str, path: str, token: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Return the status and the content for a request."""
        self.asked.append(f"{method} {path}")
        url = urlsplit(path)
        if token != f"Bearer {self.token}":
            status = 401 if method == "GET" else 403
            return status, {
                "message": "Bad credentials" if method == "GET" else "Resource not accessible by integration"
            }
        if len(str(body.get("body", ""))) > _LONGEST_BODY:
            return 422, {"message": "Validation Failed: body is too long (maximum is 65536 characters)"}
        if url.path == "/repos/shop/rules/issues/7/comments":
            return self._of_request(method, parse_qs(url.query), body)
        found = [one for one in self.comments if url.path == f"/repos/shop/rules/issues/comments/{one['id']}"]
        if found and method == "PATCH":
            found[0]["body"] = body["body"]
            return 200, found[0]
        return 404, {"message": "Not Found"}

    def _of_request(self, method: str, query: dict[str, list[str]], body: dict[str, Any]) -> tuple[int, Any]:
        if method == "POST":
            return 201, self.comment(body["body"])
        size, page = (int(query.get(name, [default])[0]) for name, default in (("per_page", "30"), ("page", "1")))
        size = min(size, 100)
        return 200, self.comments[(page - 1) * size : page * size]


@contextmanager
def github() -> Iterator[GitHub]:
    """Serve for the length of the block."""
    state = GitHub()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(text) if text else {}
            status, content = state.answer(self.command, self.path, self.headers.get("Authorization", ""), body)
            payload = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PATCH = _answer  # noqa: N815 - the names of http.server

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
