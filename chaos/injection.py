"""One fault whose target was found: all that is needed to break it and to mend it, as data.

The ledger keeps it while the fault is in force, so that any later process can undo it.
"""

from __future__ import annotations

from abc import abstractmethod
from datetime import timedelta

from pydantic import PrivateAttr

from alertdrill.units.settings import Settings


class Injection(Settings):
    """What one fault does, in data alone; each class has a `kind` by which the ledger reads it again."""

    # What undoing it has shown; it is no part of the data.
    _outcome: str = PrivateAttr("")

    @property
    @abstractmethod
    def target(self) -> str:
        """What it breaks, in words."""

    @property
    def outcome(self) -> str:
        """What undoing it has shown beside that it is undone, in words; empty when there is nothing to tell."""
        return self._outcome

    @property
    def longest_undo(self) -> timedelta:
        """How long undoing it may take before it counts as hung."""
        return timedelta(minutes=2)

    @abstractmethod
    async def inject(self) -> None:
        """Break it; raises FaultNotApplied."""

    @abstractmethod
    async def undo(self) -> None:
        """Mend it, and confirm that by reading the state back; what is mended already is no error.

        Carried out also after an injection that failed or whose answer was lost. Raises FaultNotHealed.
        """
