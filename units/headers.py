"""HTTP headers that a user may add to requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

HeaderName = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
# These describe where a request ends, so only the client itself may write them.
_FRAMING = {"content-length", "transfer-encoding", "connection", "expect", "upgrade"}


def require_unframed(headers: Mapping[str, object]) -> None:
    """Raise ValueError for a header that describes where the request ends."""
    for name in headers:
        if name.lower() in _FRAMING:
            msg = f"the client itself writes {name}, expected other headers"
            raise ValueError(msg)
