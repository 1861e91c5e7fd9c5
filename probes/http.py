"""An HTTP transaction: one request, and checks on its answer."""

from __future__ import annotations

import json
import ssl
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Literal

import aiohttp
from pydantic import Field, field_validator

from probes.outcome import Outcome
from units.duration import Duration
from units.settings import Secret, Settings


class HttpExpectation(Settings):
    """What the answer must be like for the transaction to count as succeeded."""

    status: int = Field(default=200, ge=100, le=599)


class Http(Settings):
    """One HTTP request; each transaction carries an `Idempotency-Key` of its own if asked."""

    kind: Literal["http"] = "http"
    url: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = "GET"
    headers: dict[str, str] = {}
    bearer_token: Secret | None = None
    json_body: dict[str, Any] | None = Field(default=None, alias="json")
    idempotency_key: bool = False
    timeout: Duration = Field(default=timedelta(seconds=30), gt=timedelta(0))
    expect: HttpExpectation = HttpExpectation()

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            msg = f"{url!r} is no URL, expected http://… or https://…"
            raise ValueError(msg)
        return url

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[HttpClient]:
        """Open the connections that transactions share, for the length of the block."""
        headers = {"Content-Type": "application/json"} if self.json_body is not None else {}
        headers |= self.headers
        if self.bearer_token is not None:
            headers["Authorization"] = f"Bearer {self.bearer_token.get_secret_value()}"
        timeout = aiohttp.ClientTimeout(total=self.timeout.total_seconds())
        # Open loop: the load bounds what is in flight, so the pool must not.
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
            yield HttpClient(self, session)


class HttpClient:
    """Makes the transactions of one `Http` probe over shared connections."""

    def __init__(self, settings: Http, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._session = session
        self._body = None if settings.json_body is None else json.dumps(settings.json_body).encode()

    async def transact(self) -> Outcome:
        """Make one transaction; every failure is an Outcome with a reason."""
        own = {"Idempotency-Key": str(uuid.uuid4())} if self._settings.idempotency_key else None
        try:
            async with self._session.request(
                self._settings.method, self._settings.url, data=self._body, headers=own, allow_redirects=False
            ) as response:
                await response.read()
        except TimeoutError:
            return Outcome("timeout", f"no answer within {self._settings.timeout.total_seconds():g} s")
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError, ssl.SSLError) as error:
            return Outcome("tls", str(error))
        except (ConnectionRefusedError, aiohttp.ClientConnectorError) as error:
            refused = isinstance(getattr(error, "os_error", error), ConnectionRefusedError)
            return Outcome("refused" if refused else "unreachable", str(error))
        except (ConnectionError, aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            return Outcome("reset", str(error))
        except aiohttp.ClientError as error:
            return Outcome("bad_answer", str(error) or type(error).__name__)
        if response.status != self._settings.expect.status:
            return Outcome("check", f"status {response.status}, expected {self._settings.expect.status}")
        return Outcome()
