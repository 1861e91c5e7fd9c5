"""HTTP headers that a user may add to requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from alertdrill.units.secrecy import is_secret_field

HeaderName = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
# These describe where a request ends, so only the client itself may write them.
_FRAMING = {"content-length", "transfer-encoding", "connection", "expect", "upgrade"}


def require_public(headers: Mapping[str, object]) -> None:
    """Raise ValueError for a header whose name says that its value is a secret."""
    for name in headers:
        if is_secret_field(name):
            msg = f"the header {name} would stand in dry runs, the ledger and recordings, expected it in headers_file"
            raise ValueError(msg)


def require_unframed(headers: Mapping[str, object]) -> None:
    """Raise ValueError for a header that describes where the request ends."""
    for name in headers:
        if name.lower() in _FRAMING:
            msg = f"the client itself writes {name}, expected other headers"
            raise ValueError(msg)
