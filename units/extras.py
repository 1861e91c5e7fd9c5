"""Libraries that only some kinds of probe or fault need, and that a light installation does not have."""

from __future__ import annotations

from importlib.util import find_spec


def require_library(module: str, extra: str) -> None:
    """Make sure that a library is there; raises ValueError that tells how to install it."""
    if find_spec(module) is None:
        msg = f"needs the library {module}, which is not installed: pip install 'alertdrill[{extra}]'"
        raise ValueError(msg)
