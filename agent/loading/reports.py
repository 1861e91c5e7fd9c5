"""The files of a finished load: the summary for programs, and the page for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from alertdrill.agent.files import name_beside, write_whole
from alertdrill.agent.report.load import summary as load_summary
from alertdrill.agent.report.load.story import LoadStory
from alertdrill.units.extras import LibraryMissing, of_extra

Render = Callable[[LoadStory], str]


def renderers(summary_export: Path | None, html: Path | None) -> tuple[dict[Path, Render], list[str]]:
    """Return the requested files, each with the function that renders it, and the problems of the others.

    It is called before the load, so that a problem is not found after it.
    """
    requested: dict[Path, Render] = {}
    problems = []
    for option, path, find in (("--summary-export", summary_export, _json), ("--html", html, _html)):
        if path is None:
            continue
        try:
            _require_writable(path)
            requested[path] = find()
        except OSError as error:
            problems.append(f"{option}: {path} cannot be written: {error.strerror or error}")
        except LibraryMissing as error:
            problems.append(f"{option}: {error}")
    return requested, problems


def write_all(reports: Mapping[Path, Render], story: LoadStory, warn: Callable[[str], None]) -> bool:
    """Write the reports of a load, warn of each that cannot be written, and return whether all were."""
    all_written = True
    for path, render in reports.items():
        try:
            _write(path, render(story))
        except OSError as error:
            warn(f"{path} cannot be written: {error.strerror or error}")
            all_written = False
    return all_written


def _write(path: Path, text: str) -> None:
    # A pipe or a terminal cannot be renamed into place.
    if _is_special(path):
        path.write_text(text, encoding="utf-8")
    else:
        write_whole(path, text)


def _json() -> Render:
    return lambda story: load_summary.export(story.summary, story.phases)


def _html() -> Render:
    with of_extra("report"):
        from alertdrill.agent.report.load import html as load_html

    return load_html.render


def _require_writable(path: Path) -> None:
    if _is_special(path):
        path.open("ab").close()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = name_beside(path)
    beside.write_bytes(b"")
    beside.unlink()


def _is_special(path: Path) -> bool:
    return path.exists() and (path.is_symlink() or not path.is_file())
