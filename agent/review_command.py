"""`alertdrill review` from its options to what is printed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from alertdrill.agent.config.rules import parse_any_rules
from alertdrill.agent.config.yaml_source import Source
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.explaining.from_files import rule_files
from alertdrill.agent.recording.recording import read_recording
from alertdrill.agent.report import review_html, review_markdown
from alertdrill.agent.report.review import forms
from alertdrill.agent.report.review.review import Drilled, Review, drilled, review
from alertdrill.agent.verdict.judge import judge

_SUFFIX = ".recording.json.gz"
_STAMP = re.compile(r"-(\d{8}T\d{6}Z)$")
_FORMS: dict[str, Callable[[Review], str]] = {"markdown": review_markdown.render, "html": review_html.render}


@dataclass(frozen=True)
class Options:
    """What `alertdrill review` was asked for."""

    folder: Path
    since: timedelta | None
    rules: list[Path]
    form: str


def show(options: Options, console: Console, warn: Callable[[str], None]) -> Review:
    """Read, judge and print; a recording that cannot be read is told and left out. Raises ConfigError."""
    now = time.time()
    since = None if options.since is None else now - options.since.total_seconds()
    damaged: list[str] = []
    alerts = list(_alerts(options.rules)) if options.rules else None
    drills = list(_drills(options.folder, since, damaged))
    for problem in damaged:
        warn(f"skipped: {problem}")
    made = review(drills, until=now, since=since, alerts=alerts, damaged=damaged)
    if options.form in _FORMS:
        console.out(_FORMS[options.form](made), end="", highlight=False)
    else:
        console.print(forms.render(made))
    return made


def _drills(folder: Path, since: float | None, damaged: list[str]) -> Iterator[Drilled]:
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is no folder, expected one with recordings ({'*' + _SUFFIX})")
    for path in sorted(folder.rglob(f"*{_SUFFIX}")):
        if since is not None and (at := _named_at(path)) is not None and at < since:
            continue
        try:
            recording = read_recording(path)
        except ConfigError as error:
            damaged += error.problems
            continue
        # Judging takes most of the time.
        if since is None or recording.started_at >= since:
            yield drilled(recording, judge(recording))


def _named_at(path: Path) -> float | None:
    """Tell when a drill began from the name of its recording, so that old ones need not be read."""
    stamp = _STAMP.search(path.name.removesuffix(_SUFFIX))
    if stamp is None:
        return None
    try:
        # The name has whole seconds.
        return datetime.strptime(stamp[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp() + 1
    except ValueError:
        return None


def _alerts(paths: list[Path]) -> Iterator[str]:
    for path in rule_files(paths):
        for group in parse_any_rules(Source(path)).groups:
            yield from (rule.alert for rule in group.rules if rule.alert is not None)
