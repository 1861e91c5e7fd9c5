"""A small client of the Kubernetes API for the lab and the tests; it shares no code with the faults that they check."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml

from alertdrill.lab.errors import LabError
from alertdrill.units.polling import poll

# Many times the usual time, for busy machines.
_LIMIT = aiohttp.ClientTimeout(total=60.0)


class ApiRefused(Exception):
    """The API server answered with an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class KubernetesApi:
    """A connection, during a block, to the API server that one of the lab's kubeconfig files names."""

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
        """Send a request and return its answer; raises ApiRefused, and LabError if the server does not answer."""
        headers = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {}
        try:
            async with self._session.request(method, self.url + path, json=body, headers=headers) as response:
                if response.status >= 400:
                    raise ApiRefused(response.status, await response.text())
                text = await response.read()
                return await response.json() if text.startswith(b"{") else text.decode()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise LabError(f"the API server {self.url} does not answer: {error or type(error).__name__}") from error

    async def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Return the object at a path."""
        return await self.call("GET", path)

    async def listed(self, path: str) -> list[dict[str, Any]]:
        """Return the items of the list at a path."""
        found: list[dict[str, Any]] = (await self.get(path))["items"]
        return found

    async def create(self, path: str, body: object) -> Any:  # noqa: ANN401 - JSON
        """Create an object."""
        return await self.call("POST", path, body)

    async def patch(self, path: str, change: object) -> Any:  # noqa: ANN401 - JSON
        """Change some fields of an object (RFC 7386)."""
        return await self.call("PATCH", path, change)

    async def delete(self, path: str) -> None:
        """Delete an object."""
        await self.call("DELETE", path)

    async def until(self, path: str, seconds: float) -> None:
        """Wait until an object exists at a path; raises LabError when that takes too long."""

        async def problem() -> str:
            try:
                await self.get(path)
            except (ApiRefused, LabError) as error:
                return str(error)
            return ""

        if left := await poll(problem, seconds, every_seconds=0.1):
            raise LabError(f"{path} does not exist on the API server after {seconds:g} s: {left}")
