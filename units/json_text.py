"""Reads JSON that anyone may have written, within a limit: a short text can hold more values than memory does."""

from __future__ import annotations

import json
from typing import Any


def parse(content: bytes, most_values: int) -> Any:  # noqa: ANN401 - JSON
    """Return the value of a JSON text; raises ValueError if it is not JSON, holds too many values or is nested too deep."""
    # Each value ends at one of these or begins with one: counting them is quick, and needs no memory.
    if sum(map(content.count, (b",", b":", b"[", b"{"))) > most_values:
        msg = f"holds more than {most_values:,} values"
        raise ValueError(msg)
    try:
        return json.loads(content)
    except RecursionError:
        msg = "is nested too deep"
        raise ValueError(msg) from None
