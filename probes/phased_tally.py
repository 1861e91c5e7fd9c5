"""A tally that also counts the seconds of each phase by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from alertdrill.probes.load.recorder import SecondCounts
from alertdrill.probes.load.tally import Tally


class PhasedTally(Tally):
    """All seconds of a load, and in `parts_held` those of each range of seconds alone.

    A transaction counts where it ended, as in every second.
    """

    def __init__(self, held: Sequence[range]) -> None:
        super().__init__()
        self.folded_seconds = 0
        self.parts_held = [Tally() for _ in held]
        self._held = held

    def folding(self, second: SecondCounts) -> Iterator[None]:
        """Add a second to the whole and to its phase, a little at each step of the iteration."""
        yield from super().folding(second)
        for held, part in zip(self._held, self.parts_held, strict=True):
            if second.is_whole and second.offset in held:
                yield from part.folding(second)
        self.folded_seconds = second.offset + 1
