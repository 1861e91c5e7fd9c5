"""The files of a report, beside each other under one name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import write_whole
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.report.drill import json as json_report
from alertdrill.agent.verdict.verdict import Judgement
from alertdrill.units.extras import LibraryMissing, require_library

_RECORDING = ".recording.json.gz"


def write(recording: Recording, judgement: Judgement, path: Path) -> Path:
    """Write every report of a recording beside its path and tell the last one's, the page's where there is one.

    Raises ConfigError that names the one file which could not be written.
    """
    base = path.name.removesuffix(_RECORDING)
    written = path
    try:
        for suffix, render in _reports().items():
            written = path.with_name(base + suffix)
            write_whole(written, render(recording, judgement))
    except OSError as error:
        raise ConfigError(f"{written} cannot be written: {error.strerror or error}") from error
    return written


def require_libraries() -> None:
    """Find the libraries of pages and JUnit reports; raises LibraryMissing."""
    for library in ("jinja2", "junitparser", "plotly"):
        require_library(library, "report")


def _reports() -> dict[str, Callable[[Recording, Judgement], str]]:
    """List the reports by the ending of their files; a sidecar has no libraries for pages and JUnit."""
    try:
        require_libraries()
    except LibraryMissing:
        return {".json": json_report.render}
    from alertdrill.agent.report.drill import html, junit

    return {".json": json_report.render, ".junit.xml": junit.render, ".html": html.render}
