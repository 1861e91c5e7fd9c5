"""Errors of requests, with the titles of the real server."""

from __future__ import annotations


class ApiError(Exception):
    """A refused request: the message and the HTTP status of the response."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.message = message
        self.status = status

    def as_json(self) -> dict[str, str | int]:
        """Return the body of the response."""
        return {"error": self.message, "status": self.status}


class ServerNotStarted(Exception):
    """The server cannot run with its options; the text says why, in one line."""


def bad_request_body(reason: object) -> ApiError:
    """The body is not JSON, or JSON of another shape."""
    return ApiError(f"bad request body: {reason}", 400)


def missing_field(field: str) -> ApiError:
    """A proxy without a name or an upstream."""
    return ApiError(f"missing required field: {field}", 400)


def proxy_not_found() -> ApiError:
    """No proxy has this name."""
    return ApiError("proxy not found", 404)


def toxic_not_found() -> ApiError:
    """No toxic of this proxy has this name."""
    return ApiError("toxic not found", 404)
