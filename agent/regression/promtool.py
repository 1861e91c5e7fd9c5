"""Runs promtool: one process evaluates many cases, and says what each query found at each instant."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import gcd
from pathlib import Path
from typing import Any

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import private
from alertdrill.agent.regression.case import InputSeries, Labels
from alertdrill.agent.regression.spelling import Value, spell_number, spell_values
from alertdrill.units import json_text
from alertdrill.units.duration import format_duration

_VARIABLE = "ALERTDRILL_PROMTOOL"
_FOLDER = Path(".cache") / "alertdrill" / "bin"
_OLDEST = (2, 42)
_REMEDY = f"download Prometheus from prometheus.io, and name its promtool with --promtool or ${_VARIABLE}"
_LONGEST_SECONDS = 600
_TEXT = r'"(?:[^"\\]|\\.)*"'
_SAMPLE = re.compile(rf"(?P<labels>\{{(?:[^{{}}\"]|{_TEXT})*\}}) (?P<value>[^\s,]+)")
_LABEL = re.compile(rf"(?P<name>[\w:.]+|{_TEXT})=(?P<value>{_TEXT})")
# promtool 2.42 writes `Unit Testing:  0.test.yml`, and 3.16 `Processing test file: 0.test.yml`; all else is indented.
_HEADING = re.compile(r"^\S.*:\s+\d+\.test\.yml$", re.MULTILINE)
_ANSWER = re.compile(r"^ {4}expr: ", re.MULTILINE)
_ERROR = re.compile(r"^ {2,}(?:rule: .*?|group: .*?)err: (?P<why>.*)", re.MULTILINE | re.DOTALL)
_NOTHING = [{"labels": '{no="series"}', "value": 0}]


@dataclass(frozen=True)
class InstantQuery:
    """An expression, and the instants at which it is evaluated, in milliseconds."""

    expr: str
    at_ms: tuple[int, ...]


@dataclass(frozen=True)
class Job:
    """Rules and series for promtool, and the queries that it answers when all evaluations are done."""

    rules: dict[str, Any]
    evaluation_ms: int
    lines: tuple[InputSeries, ...]
    queries: tuple[InstantQuery, ...]
    external_labels: dict[str, str] = field(default_factory=dict)


Vector = dict[Labels, float]


@dataclass(frozen=True)
class QueryResult:
    """What each query found at each of its instants; `error` is that of promtool, if it could not evaluate the rules."""

    vectors: tuple[tuple[Vector, ...], ...] = ()
    error: str = ""


class Promtool:
    """The program, and its version."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.version = self._version()

    def _version(self) -> str:
        found = re.search(r"version (\d[^\s,+]*)", self._run(["--version"]))
        return found[1] if found else "unknown"

    def run(self, jobs: Sequence[Job]) -> list[QueryResult]:
        """Run all jobs in one process; raises ConfigError if promtool itself fails."""
        if not jobs:
            return []
        with tempfile.TemporaryDirectory(prefix="alertdrill-regress-") as folder:
            names = [_write(Path(folder), number, job) for number, job in enumerate(jobs)]
            said = self._run(["test", "rules", *names], folder)
        parts = _HEADING.split(said)[1:]
        if len(parts) != len(jobs):
            raise ConfigError(f"{self.path}: did not run the tests: {' '.join(said.split())[:500]}")
        return [_answer(part, job) for part, job in zip(parts, jobs, strict=True)]

    def _run(self, arguments: list[str], folder: str | None = None) -> str:
        try:
            ended = subprocess.run(
                [self.path, *arguments],
                cwd=folder,
                env={"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "/")},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_LONGEST_SECONDS,
                check=False,
            )
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be run: {error.strerror or error}") from error
        except subprocess.TimeoutExpired as error:
            raise ConfigError(f"{self.path}: did not end within {_LONGEST_SECONDS} s") from error
        return ended.stdout.decode(errors="replace")


def find_promtool(given: str | None = None) -> Promtool:
    """Return the program of the option, of $ALERTDRILL_PROMTOOL, of the PATH or of this user's cache; raises ConfigError."""
    for name in (given, os.environ.get(_VARIABLE)):
        if name:
            if shutil.which(name) is None:
                raise ConfigError(f"{name}: is not a program that can be run, expected promtool")
            return _new_enough(Promtool(name))
    found = shutil.which("promtool") or shutil.which("promtool", path=str(Path.home() / _FOLDER))
    if found is None:
        raise ConfigError(f"promtool is not installed: {_REMEDY}")
    return _new_enough(Promtool(found))


def _new_enough(promtool: Promtool) -> Promtool:
    """Return a promtool that knows keep_firing_for; raises ConfigError."""
    number = re.match(r"(\d+)\.(\d+)", promtool.version)
    if number is not None and (int(number[1]), int(number[2])) < _OLDEST:
        raise ConfigError(
            f"{promtool.path}: is promtool {promtool.version}, which is too old, expected 2.42 or newer: {_REMEDY}"
        )
    return promtool


def _write(folder: Path, number: int, job: Job) -> str:
    rules, name = f"{number}.rules.yml", f"{number}.test.yml"
    for path, content in ((rules, job.rules), (name, test_file(job, rules))):
        # Nobody reads them after a crash, so nothing waits until they are on the disk.
        with open(folder / path, "w", encoding="utf-8", opener=private) as file:
            json.dump(content, file)
    return name


def test_file(job: Job, rules: str) -> dict[str, Any]:
    """Return a test file of promtool that names a rule file."""
    test: dict[str, Any] = {
        "interval": spelled_ms(unit_ms(job.lines) or job.evaluation_ms),
        "input_series": input_series(job.lines),
        # What is expected never comes, so promtool prints what it found.
        "promql_expr_test": [
            {"expr": query.expr, "eval_time": spelled_ms(at), "exp_samples": _NOTHING}
            for query in job.queries
            for at in query.at_ms
        ],
    }
    if job.external_labels:
        test["external_labels"] = job.external_labels
    return {"rule_files": [rules], "evaluation_interval": spelled_ms(job.evaluation_ms), "tests": [test]}


def unit_ms(lines: Sequence[InputSeries]) -> int:
    """Return the interval on which all samples of all series lie."""
    return gcd(*(number for line in lines for number in (line.offset_ms, line.step_ms)))


def input_series(lines: Sequence[InputSeries]) -> list[dict[str, str]]:
    """Return series as promtool reads them, on the interval of all."""
    unit = unit_ms(lines)
    return [{"series": spell_series(line.labels), "values": _values(line, unit)} for line in lines if line.values]


def _values(line: InputSeries, unit: int) -> str:
    if not line.offset_ms and line.step_ms == unit:
        return spell_values(line.values)
    between = line.step_ms // unit - 1
    words, blank = [], line.offset_ms // unit
    for value in line.values:
        if value is None:
            blank += 1 + between
            continue
        words += [f"_x{blank}"] if blank else []
        words.append(_word(value))
        blank = between
    return " ".join(words)


def _word(value: Value) -> str:
    return spell_number(value) if isinstance(value, float) else str(value)


def spell_series(labels: Labels) -> str:
    """Return the labels of a series as PromQL."""
    name = dict(labels).get("__name__", "")
    pairs = ",".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in labels if key != "__name__")
    return f"{name}{{{pairs}}}" if pairs else name


def spelled_ms(milliseconds: int) -> str:
    """Return a duration as Prometheus writes it."""
    return format_duration(timedelta(milliseconds=milliseconds))


def _answer(said: str, job: Job) -> QueryResult:
    parts = _ANSWER.split(said)
    expected = sum(len(query.at_ms) for query in job.queries)
    if len(parts) != expected + 1:
        why = _ERROR.search(said)
        return QueryResult(error=" ".join((why["why"] if why else said).split())[:500] or "promtool said nothing")
    if any("got:" not in part for part in parts[1:]):
        refused = next(part for part in parts[1:] if "got:" not in part)
        return QueryResult(error=" ".join(refused.split())[:500])
    found = iter([_vector(part.split("got:", 1)[1]) for part in parts[1:]])
    return QueryResult(vectors=tuple(tuple(next(found) for _ in query.at_ms) for query in job.queries))


def _vector(text: str) -> Vector:
    # A vector without labels is printed as `{} 5E+00`.
    return {labels_of(found["labels"]): float(found["value"]) for found in _SAMPLE.finditer(text)}


def labels_of(text: str) -> Labels:
    """Return the labels of a series as promtool prints it."""
    return tuple(sorted(_pairs(text)))


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for found in _LABEL.finditer(text):
        name = found["name"]
        yield (_unquoted(name) if name.startswith('"') else name), _unquoted(found["value"])


def _unquoted(text: str) -> str:
    """Return the text of a quoted string of Go."""
    try:
        return str(json_text.parse(text.encode(), len(text)))
    except ValueError:
        return text[1:-1]
