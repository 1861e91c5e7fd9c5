"""The reports that each drill leaves beside its recording, one row each.

A row is the end of the file's name, the module that writes it, and the libraries that the module needs, with the extra
of this package that installs them. The module has `render(recording, judgement)`, which returns the text of the file;
it is imported only when it is used. An installation without these libraries, such as a sidecar, writes the other
reports.
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
from alertdrill.units.extras import require_library


@dataclass(frozen=True)
class Report:
    """A row of the table."""

    suffix: str
    module: str
    libraries: tuple[str, ...] = ()
    extra: str = ""


REPORTS = (
    Report(".json", "alertdrill.agent.report.drill.json"),
    Report(".junit.xml", "alertdrill.agent.report.drill.junit", ("junitparser",), "report"),
    # The last one: `write` returns its path.
    Report(".html", "alertdrill.agent.report.drill.html", ("jinja2",), "report"),
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


def require_libraries() -> None:
    """Find the libraries of every report; raises ValueError that names the extra of a missing one."""
    for report in REPORTS:
        for library in report.libraries:
            require_library(library, report.extra)


def _rendered(recording: Recording, judgement: Judgement) -> Iterator[tuple[str, str]]:
    for report in _available():
        module = importlib.import_module(report.module)
        yield report.suffix, module.render(recording, judgement)


def _available() -> tuple[Report, ...]:
    """Return all reports, or where a library is missing those that need none."""
    try:
        require_libraries()
    except ValueError:
        return tuple(report for report in REPORTS if not report.libraries)
    return REPORTS
