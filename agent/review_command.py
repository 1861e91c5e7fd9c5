"""`alertdrill review` from its options to what is printed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from alertdrill.agent.config.rules import parse_any_rules
from alertdrill.agent.config.yaml_source import Source
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.explaining.from_files import rule_files
from alertdrill.agent.recording.recording import SUFFIX, named_instant, read_recording
from alertdrill.agent.report.review import forms
from alertdrill.agent.report.review.review import DrillResult, Review, drill_result, review
from alertdrill.agent.verdict.judge import judge

_FORMS: dict[str, Callable[[Review], str]] = {"markdown": forms.as_markdown, "html": forms.as_html}


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
        console.print(forms.as_text(made))
    return made


def _drills(folder: Path, since: float | None, damaged: list[str]) -> Iterator[DrillResult]:
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is no folder, expected one with recordings ({'*' + SUFFIX})")
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        # The name has whole seconds.
        if since is not None and (at := named_instant(path)) is not None and at + 1 < since:
            continue
        try:
            recording = read_recording(path)
        except ConfigError as error:
            damaged += error.problems
            continue
        # Judging takes most of the time.
        if since is None or recording.started_at >= since:
            yield drill_result(recording, judge(recording))


def _alerts(paths: list[Path]) -> Iterator[str]:
    for path in rule_files(paths):
        for group in parse_any_rules(Source(path)).groups:
            yield from (rule.alert for rule in group.rules if rule.alert is not None)
