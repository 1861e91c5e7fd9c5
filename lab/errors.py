"""What can go wrong with the lab."""

from __future__ import annotations


class LabError(Exception):
    """The lab cannot be started; the text says what to do."""
