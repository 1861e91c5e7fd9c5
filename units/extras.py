"""Libraries for some kinds of probe or fault only; a small installation does not have them."""

from __future__ import annotations

from importlib.util import find_spec


def require_library(module: str, extra: str) -> None:
    """Raise ValueError with the command that installs a library, if it is not installed."""
    if find_spec(module) is None:
        msg = f"needs the library {module}, which is not installed: pip install 'alertdrill[{extra}]'"
        raise ValueError(msg)
