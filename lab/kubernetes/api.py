"""The API server, asked with JSON: what the lab needs of it, and a witness that shares nothing with the faults."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml

from alertdrill.lab.errors import LabError

_LIMIT = aiohttp.ClientTimeout(total=10.0)


class ApiRefused(Exception):
    """The API server said no."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class Api:
    """An API server as the current context of a kubeconfig of the lab names it, for the length of a block."""

    def __init__(self, kubeconfig: Path) -> None:
        written = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = written["clusters"][0]["cluster"], written["users"][0]["user"]
        self.url: str = cluster["server"]
        self._tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self._headers = {"Authorization": f"Bearer {user['token']}"}

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._tls)
        self._session = aiohttp.ClientSession(connector=connector, headers=self._headers, timeout=_LIMIT)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Ask, and read the answer; raises ApiRefused, and LabError when nobody answers."""
        how = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {}
        try:
            async with self._session.request(method, self.url + path, json=body, headers=how) as response:
                if response.status >= 400:
                    raise ApiRefused(response.status, await response.text())
                text = await response.read()
                return await response.json() if text.startswith(b"{") else text.decode()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise LabError(f"the API server {self.url} does not answer: {error or type(error).__name__}") from error

    async def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Read what is at a path."""
        return await self.call("GET", path)

    async def listed(self, path: str) -> list[dict[str, Any]]:
        """List what is at a path."""
        found: list[dict[str, Any]] = (await self.get(path))["items"]
        return found

    async def create(self, path: str, body: object) -> Any:  # noqa: ANN401 - JSON
        """Make something anew."""
        return await self.call("POST", path, body)

    async def patch(self, path: str, change: object) -> Any:  # noqa: ANN401 - JSON
        """Change some of its fields (RFC 7386)."""
        return await self.call("PATCH", path, change)

    async def delete(self, path: str) -> None:
        """Remove it."""
        await self.call("DELETE", path)

    async def until(self, path: str, seconds: float) -> None:
        """Wait until there is something at a path; raises LabError when that takes too long."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                await self.get(path)
            except (ApiRefused, LabError) as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise LabError(f"{path} of the API server is not there after {seconds:g} s: {error}") from error
            else:
                return
            await asyncio.sleep(0.1)
