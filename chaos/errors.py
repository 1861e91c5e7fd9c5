"""Errors of faults. FaultNotApplied needs no repair; FaultNotHealed does, and LedgerRefused needs a look."""

from __future__ import annotations


class FaultNotApplied(Exception):
    """The fault could not be injected, and nothing is broken.

    `in_part` says that a part of it was injected, and undone again.
    """

    def __init__(self, text: str = "", *, in_part: bool = False) -> None:
        super().__init__(text)
        self.in_part = in_part


class FaultNotHealed(Exception):
    """Something may still be broken: the undo could not be confirmed. `entry_id` is its entry, which is kept, if known."""

    entry_id: str = ""


class FaultTakenBack(Exception):
    """Another process undid the fault while its owner thought it in force: observations of that time prove nothing."""


class LedgerRefused(Exception):
    """The ledger, or an entry, is not this user's alone, or was not written by this program; nothing of it is carried out.

    Each line names a file and says what to do.
    """
