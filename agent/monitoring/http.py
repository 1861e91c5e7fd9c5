"""One GET of a JSON answer, with a time limit and one kind of error."""

from __future__ import annotations

from typing import Any

import aiohttp

from agent.errors import ServiceUnavailable

_LIMIT = aiohttp.ClientTimeout(total=3.0)


async def get_json(server: str, url: str, params: dict[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
    """Ask a server; raises ServiceUnavailable when it does not answer with JSON and a status below 400."""
    try:
        async with aiohttp.ClientSession(timeout=_LIMIT) as session, session.get(url, params=params) as response:
            if response.status >= 400:
                text = (await response.text()).strip()[:300]
                raise ServiceUnavailable(f"{server} at {url} answered {response.status}: {text}")
            return await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        reason = "no answer within 3 s" if isinstance(error, TimeoutError) else str(error)
        raise ServiceUnavailable(f"{server} cannot be reached: {url}: {reason}") from error
