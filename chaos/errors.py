"""What can go wrong with a fault, named by who must act."""

from __future__ import annotations


class FaultNotApplied(Exception):
    """The fault could not be injected, and nothing is broken."""


class FaultNotHealed(Exception):
    """Something may still be broken: the undo could not be confirmed."""


class FaultTakenBack(Exception):
    """Somebody else undid the fault while its owner thought it in force: what was seen meanwhile proves nothing."""
