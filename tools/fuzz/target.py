"""What is fed: a target makes broken inputs, and reads them with a part of the program."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]


class Target(ABC):
    """Makes inputs and reads them; `folder` is empty, and its own. It is a context manager for servers it may need."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    @abstractmethod
    def make(self, draw: random.Random) -> bytes:
        """Return a broken input."""

    @abstractmethod
    def read(self, draw: random.Random, content: bytes) -> str:
        """Read an input, and return what is wrong with how it was read; empty if nothing is.

        ConfigError and ServiceUnavailable are refusals, every other exception is a mistake of the program.
        """


def crooked(lines: Iterable[str]) -> str:
    """Return which line is not one line of text that can be shown; empty if all are."""
    return next((f"told in a crooked line: {one!r}" for one in lines if not one.strip() or not one.isprintable()), "")
