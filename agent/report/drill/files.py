"""The reports that each drill leaves beside its recording, one row each.

A row is the end of the file's name, the module that writes it, and the extra of this package that the module needs.
A module has `render(recording, judgement)`, which returns the text of the file. It is imported only when it is used:
an installation without the extra, such as a sidecar, leaves that report out.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import write_whole
from alertdrill.agent.recording.recording import SUFFIX, Recording
from alertdrill.agent.verdict.verdict import Judgement


@dataclass(frozen=True)
class Report:
    """A row of the table; `extra` is empty where the module needs none."""

    suffix: str
    module: str
    extra: str = ""


REPORTS = (
    Report(".json", "alertdrill.agent.report.drill.json"),
    Report(".junit.xml", "alertdrill.agent.report.drill.junit", extra="report"),
    # The last one: `write` returns its path.
    Report(".html", "alertdrill.agent.report.drill.html", extra="report"),
)
"""All reports, in the order in which they are written."""


def write(recording: Recording, judgement: Judgement, path: Path) -> Path:
    """Write every report beside the path of the recording, and return the path of the last one.

    Raises ConfigError that names the one file which could not be written.
    """
    base = path.name.removesuffix(SUFFIX)
    written = path
    try:
        for suffix, text in _rendered(recording, judgement):
            written = path.with_name(base + suffix)
            write_whole(written, text)
    except OSError as error:
        raise ConfigError(f"{written} cannot be written: {error.strerror or error}") from error
    return written


def _rendered(recording: Recording, judgement: Judgement) -> Iterator[tuple[str, str]]:
    for report in REPORTS:
        try:
            module = importlib.import_module(report.module)
        except ModuleNotFoundError:
            if report.extra:
                continue
            raise
        yield report.suffix, module.render(recording, judgement)
