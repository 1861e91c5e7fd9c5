"""The form of a `*.regress.yml`: the recorded series of one alert, what must stay so, and what is only told.

The contract fails a run; the snapshot is what the alert did when the file was made, and a difference from it is told.
All times of both are from the begin of the fault, only `resolves_within` is from its end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator

from alertdrill.agent.config.yaml_source import read_settings
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.regression.case import AlertActivity, Case, InputSeries, Labels
from alertdrill.agent.regression.promtool import labels_of, spell_series
from alertdrill.agent.regression.spelling import parse_values, spell_values
from alertdrill.units.duration import Duration, format_duration, parse_duration, spell_seconds
from alertdrill.units.settings import Settings

SUFFIX = ".regress.yml"
"""The end of each file's name."""
_SERIES = re.compile(r'(?P<name>[a-zA-Z_:][\w:]*)?(?P<labels>\{(?:[^{}"]|"(?:[^"\\]|\\.)*")*\})?')
_MOST_EVALUATIONS = 100_000


def seconds_of(text: str) -> float:
    """Return a time of a snapshot in seconds; before the fault it is negative. Raises ValueError."""
    sign = -1 if text.startswith("-") else 1
    return sign * parse_duration(text.removeprefix("-")).total_seconds()


def _require_time(text: str) -> str:
    seconds_of(text)
    return text


Time = Annotated[str, AfterValidator(_require_time)]
"""A pydantic field type: a duration from the begin of the fault, with a minus before it."""


class Recorded(Settings):
    """Where the series come from."""

    by: str
    prometheus: str
    at: str
    drill: str
    sha256: str
    time_scale: float = 1.0


class Contract(Settings):
    """What must stay so: a run fails if it does not hold."""

    fires_within: Duration
    labels: dict[str, str] = {}
    receiver: str | None = None
    resolves_within: Duration | None = None


class SnapshotEntry(Settings):
    """An alert that was active once; a time is missing where that did not happen."""

    labels: dict[str, str] = {}
    pending: Time
    firing: Time | None = None
    resolved: Time | None = None


class FaultSpan(Settings):
    """When the fault began and ended, from the first evaluation of the file; its end is not always known."""

    begins: Duration
    ends: Duration | None = None


class Scrapes(Settings):
    """Series that are scraped together: the first value of each at `first`, one more every `every`.

    `labels` are those that all have.
    """

    first: Duration
    every: Duration = Field(gt=timedelta(0))
    labels: dict[str, str] = {}
    series: dict[str, str] = Field(min_length=1)

    @field_validator("series")
    @classmethod
    def _are_series(cls, series: dict[str, str]) -> dict[str, str]:
        for name, values in series.items():
            if not _SERIES.fullmatch(name) or not name:
                msg = f'{name!r} is not a series, expected one such as queue{{job="shop"}}'
                raise ValueError(msg)
            parse_values(values)
        return series


class RegressFile(Settings):
    """One alert, its series, and what is expected of its rule.

    `decisive` is the series without which the alert stays silent; of a histogram, it stands for all buckets.
    """

    regress: str = Field(min_length=1)
    rules: str | list[str]
    alertmanager: str | None = None
    recorded: Recorded
    contract: Contract
    snapshot: list[SnapshotEntry]
    fault: FaultSpan
    evaluation: Duration = Field(gt=timedelta(0))
    evaluations: int = Field(gt=0, le=_MOST_EVALUATIONS)
    compared_from: int = Field(default=0, ge=0)
    external_labels: dict[str, str] = {}
    decisive: str | None = Field(default=None, min_length=1)
    scrapes: list[Scrapes]

    def rule_files(self, beside: Path) -> list[Path]:
        """Return the paths of the rule files."""
        names = [self.rules] if isinstance(self.rules, str) else self.rules
        return [beside.parent / name for name in names]

    def case(self) -> Case:
        """Return the series as a case for promtool."""
        return Case(
            evaluation_ms=_ms(self.evaluation),
            evaluations=self.evaluations,
            since=self.compared_from,
            lines=tuple(line for group in self.scrapes for line in _lines(group)),
            begins_ms=_ms(self.fault.begins),
            healed_ms=None if self.fault.ends is None else _ms(self.fault.ends),
        )


def _ms(duration: timedelta) -> int:
    return round(duration / timedelta(milliseconds=1))


def _lines(group: Scrapes) -> Iterable[InputSeries]:
    for name, values in group.series.items():
        found = _SERIES.fullmatch(name)
        labels = dict(labels_of(found["labels"] or "")) if found else {}
        named = {"__name__": found["name"]} if found and found["name"] else {}
        whole = tuple(sorted((group.labels | labels | named).items()))
        yield InputSeries(whole, _ms(group.first), _ms(group.every), tuple(parse_values(values)))


def read_regress_file(path: Path) -> RegressFile:
    """Read a file; raises ConfigError with every problem of it."""
    return read_settings(path, RegressFile)


def render(file: RegressFile, comment: str) -> str:
    """Return the text of a file."""
    values = file.model_dump(mode="json", exclude_none=True)
    lines = [f"# {comment}"]
    for key in ("regress", "rules", "alertmanager", "recorded", "contract"):
        lines += [f"{key}: {_flow(values[key])}"] if key in values else []
    lines += snapshot_lines(file.snapshot)
    for key in ("fault", "evaluation", "evaluations", "compared_from", "external_labels"):
        lines += [f"{key}: {_flow(values[key])}"] if values.get(key) else []
    lines += [f"decisive: {_quoted(file.decisive)}"] if file.decisive else []
    lines.append("scrapes:" if file.scrapes else "scrapes: []")
    for group in file.scrapes:
        lines += [f"- first: {format_duration(group.first)}", f"  every: {format_duration(group.every)}"]
        lines += [f"  labels: {_flow(group.labels)}"] if group.labels else []
        lines += ["  series:", *(f"    {_quoted(name)}: {_quoted(text)}" for name, text in group.series.items())]
    return "\n".join(lines) + "\n"


def snapshot_lines(entries: Sequence[SnapshotEntry]) -> list[str]:
    """Return the lines of the snapshot, each with a begin that `with_snapshot` finds again."""
    if not entries:
        return ["snapshot: []"]
    dumped = [one.model_dump(mode="json", exclude_none=True, exclude_defaults=True) for one in entries]
    return ["snapshot:", *(f"- {_flow(one)}" for one in dumped)]


def with_snapshot(text: str, entries: Sequence[SnapshotEntry]) -> str:
    """Return the text of a file with another snapshot; everything else, also comments, stays as it is."""
    made = "\n".join(snapshot_lines(entries)) + "\n"
    changed, count = re.subn(r"^snapshot:.*\n(?:[ -].*\n)*", lambda _: made, text, count=1, flags=re.MULTILINE)
    if not count:
        raise ConfigError("the file has no snapshot that can be replaced")
    return changed


def snapshot(found: Sequence[AlertActivity]) -> list[SnapshotEntry]:
    """Return stretches as a snapshot."""
    return [
        SnapshotEntry(
            labels={name: value for name, value in one.labels if name != "alertname"},
            pending=spell_seconds(one.pending),
            firing=None if one.firing is None else spell_seconds(one.firing),
            resolved=None if one.resolved is None else spell_seconds(one.resolved),
        )
        for one in found
    ]


def timeline_text(entries: Sequence[SnapshotEntry]) -> str:
    """Return a snapshot in words, without its labels: when each alert was pending, fired and was resolved."""
    return "; ".join(map(_times_text, entries)) or "never active"


def _times_text(entry: SnapshotEntry) -> str:
    times = {"pending": entry.pending, "firing": entry.firing, "resolved": entry.resolved}
    return ", ".join(f"{word} {at}" for word, at in times.items() if at is not None)


def grouped(lines: Sequence[InputSeries]) -> list[Scrapes]:
    """Return series in the groups of their scrapes, with what they have in common told once."""
    groups: dict[tuple[int, int], list[InputSeries]] = {}
    for line in lines:
        groups.setdefault((line.offset_ms, line.step_ms), []).append(line)
    return [_group(offset, step, of) for (offset, step), of in sorted(groups.items())]


def _group(offset: int, step: int, lines: Sequence[InputSeries]) -> Scrapes:
    shared = set(lines[0].labels).intersection(*(line.labels for line in lines)) if len(lines) > 1 else set()
    shared = {pair for pair in shared if pair[0] != "__name__"}
    return Scrapes(
        first=timedelta(milliseconds=offset),
        every=timedelta(milliseconds=step),
        labels=dict(sorted(shared)),
        series={
            spell_series(tuple(pair for pair in line.labels if pair not in shared)): spell_values(line.values)
            for line in lines
        },
    )


def _flow(value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


_PLAIN = re.compile(r"[A-Za-z_./][\w./-]*|\d+(?:ms|[smhd])(?:\d+(?:ms|[smhd]))*|-\d[\dsmhd]*[smhd]")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", ".inf", ".nan", "_"}


def _quoted(text: str) -> str:
    """Return a text for YAML, with quotes only where it could be read as something else."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    if "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)


def labels_text(labels: Labels) -> str:
    """Return labels as a reader expects them."""
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels) + "}"
