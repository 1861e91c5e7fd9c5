"""Whatever a probe file would refuse is not carried over: its own models are asked, part by part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from alertdrill.agent.import_k6.notes import NotCarried


@contextmanager
def asking_the_probe_file(line: int) -> Iterator[None]:
    """Turn the ValueError of a model or a template into NotCarried, with the line of the script."""
    try:
        yield
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise NotCarried(line, why[:1].lower() + why[1:]) from error
    except ValueError as error:
        raise NotCarried(line, str(error)) from error
