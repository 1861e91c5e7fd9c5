"""What can go wrong, named by who must act."""

from __future__ import annotations


class ConfigError(Exception):
    """The user must mend a file or an option; `problems` holds one line for each thing wrong."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ServiceUnavailable(Exception):
    """A server that the drill needs does not answer, or not as it should."""


def leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """List the errors of a group and of all groups within it."""
    return [
        leaf
        for error in group.exceptions
        for leaf in (leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
