"""The index of a folder of reports: a page with the verdicts, alerts and times of its drills, and a link to each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from alertdrill import __version__
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import write_whole
from alertdrill.agent.recording.recording import SUFFIX, named_instant
from alertdrill.agent.report.drill import wording
from alertdrill.agent.verdict.verdict import VerdictOutcome
from alertdrill.units.extras import LibraryMissing, require_library

NAME = "index.html"
# By this line of its template a page is known that may be replaced.
_MARK = '<meta name="generator" content="alertdrill index">'
_MOST_DRILLS = 200


class _Milestone(BaseModel):
    seconds_after_fault: float | None


class _Verdict(BaseModel):
    alert: str
    outcome: VerdictOutcome
    milestones: dict[str, _Milestone]

    @property
    def fired(self) -> str:
        """When the alert fired, in words."""
        firing = self.milestones.get("firing")
        after = firing.seconds_after_fault if firing else None
        return "" if after is None else f"fired {after:+.2f} s after the fault"


class _Report(BaseModel):
    """What the index shows of a JSON report."""

    drill: str
    attempt: int = 1
    time_scale: float = 1.0
    exit_code: int
    started_at: float
    ended_at: float
    verdicts: list[_Verdict]


@dataclass(frozen=True)
class IndexEntry:
    """A drill of the index: the name of its page, and its report."""

    page: str
    report: _Report

    @property
    def link(self) -> str:
        """The address of its page, from the index."""
        return f"./{quote(self.page)}"


def write(folder: Path) -> Path | None:
    """Write the index of a folder with the reports of several drills, and return its path.

    Return None if there are fewer than two, if the library for pages is missing, or if another page has its name. Raises
    ConfigError if the file cannot be written.
    """
    path = folder / NAME
    found = sorted(_reports(folder), key=_age)
    if len(found) < 2 or not _is_ours(path):
        return None
    try:
        require_library("jinja2", "report")
        write_whole(path, render(list(found[:_MOST_DRILLS]), len(found)))
    except LibraryMissing:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def render(files: list[Path], count: int) -> str:
    """Render the page of some JSON reports out of `count`; those that are damaged are named at its end."""
    from alertdrill.agent.report import page, words

    entries = {path: _read(path) for path in files}
    known = sorted((entry for entry in entries.values() if entry), key=attrgetter("report.started_at"), reverse=True)
    codes = [entry.report.exit_code for entry in known]
    return page.render(
        "index.html.j2",
        entries=known,
        damaged=[path.name for path, entry in entries.items() if entry is None],
        left_out=count - len(files),
        passed=codes.count(0),
        tone="bad" if 1 in codes else "good" if codes.count(0) == len(codes) else "unsure",
        badges=wording.BADGES,
        marks=wording.MARKS,
        outcomes=wording.OVERALL,
        wording=wording,
        words=words,
        version=__version__,
    )


def _reports(folder: Path) -> Iterator[Path]:
    """Find the JSON reports that lie beside a recording and a page."""
    for path in folder.glob("*.json"):
        if path.with_suffix(".html").is_file() and _recording(path).is_file():
            yield path


def _recording(report: Path) -> Path:
    return report.with_name(report.name.removesuffix(".json") + SUFFIX)


def _age(report: Path) -> tuple[float, str]:
    return -(named_instant(_recording(report)) or 0.0), report.name


def _read(path: Path) -> IndexEntry | None:
    try:
        return IndexEntry(path.with_suffix(".html").name, _Report.model_validate_json(path.read_bytes()))
    except (OSError, ValidationError):
        return None


def _is_ours(path: Path) -> bool:
    try:
        return _MARK in path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return True
    except OSError:
        return False
