"""The lab's exceptions."""

from __future__ import annotations


class LabError(Exception):
    """The lab cannot start or continue; the text says what to do."""
