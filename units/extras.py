"""Libraries that only some commands, probes and faults need: a light installation does not have them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec


class LibraryMissing(ValueError):
    """A library is not installed; the text says which extra brings it."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(f"the library {module} is not installed: pip install 'alertdrill[{extra}]'")


def require_library(module: str, extra: str) -> None:
    """Find a library without importing it; raises LibraryMissing."""
    if find_spec(module) is None:
        raise LibraryMissing(module, extra)


@contextmanager
def of_extra(extra: str) -> Iterator[None]:
    """Import within the block what needs the libraries of an extra; raises LibraryMissing."""
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module in {"", "alertdrill"}:
            raise
        raise LibraryMissing(module, extra) from error
