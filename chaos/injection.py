"""One fault whose target was found, as data: all that is needed to inject it and to undo it.

The ledger keeps it while the fault is in force, so that any later process can undo it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from datetime import timedelta

from pydantic import PrivateAttr

from alertdrill.units.settings import Settings


class Injection(Settings):
    """One fault as data; the ledger finds the class again by its `kind`."""

    # Set by `undo`; not part of the data.
    _outcome: str = PrivateAttr("")
    # Set by `undo` before its first request that changes something: what a later try finds may be the work of this one.
    _was_tried: bool = PrivateAttr(False)
    # Writes this to the ledger again; set by the process that keeps the fault in force.
    _recorder: Callable[[], None] | None = PrivateAttr(None)

    def recorded_by(self, recorder: Callable[[], None]) -> None:
        """Set what writes this injection to the ledger again, for one that learns more while it is injected."""
        self._recorder = recorder

    def _record(self) -> None:
        """Write this injection to the ledger again, if one keeps it; raises FaultNotApplied."""
        if self._recorder is not None:
            self._recorder()

    @property
    @abstractmethod
    def target(self) -> str:
        """The target, in words."""

    @property
    def full_target(self) -> str:
        """The target with every name, which guards compare; `target` may leave out some of thousands."""
        return self.target

    @property
    def outcome(self) -> str:
        """What `undo` found out, in words: how soon a process was back, or what somebody else did; may be empty."""
        return self._outcome

    @property
    def by_hand(self) -> str:
        """How a person undoes it without alertdrill: a command, or words; may be empty."""
        return ""

    @property
    def longest_undo(self) -> timedelta:
        """The time after which an undo counts as hung."""
        return timedelta(minutes=2)

    @property
    def look_every(self) -> timedelta:
        """How often `taken_back` is called; longer where each look costs the target something."""
        return timedelta(seconds=1)

    @abstractmethod
    async def inject(self) -> None:
        """Inject the fault; raises FaultNotApplied."""

    async def taken_back(self) -> str | None:
        """Return why the fault is no longer in force, an empty text while it is, and None if this fault cannot tell.

        Called once in `look_every` while the fault should be in force, and again before the undo; within five seconds it
        must return. It changes nothing. A target that does not answer proves nothing, so that is an empty text.
        """
        return None

    @abstractmethod
    async def undo(self) -> None:
        """Undo the fault, and confirm that by reading the state back; a fault that is undone already is not an error.

        Also called after an injection that failed or whose answer was lost. Raises FaultNotHealed.
        """
