"""Converts scripts of k6, and reads the result with the probe file's own reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from alertdrill.agent.config.probe import ProbeFile, read_probe_file
from alertdrill.agent.import_k6.conversion import convert
from alertdrill.agent.import_k6.files import ScriptFiles

HEAD = "import http from 'k6/http'; import { check, sleep, group } from 'k6'; import { Rate } from 'k6/metrics';"

STEADY = "scenarios: { s: { executor: 'constant-arrival-rate', rate: 1, duration: '1m' } }"
LOAD = f"{{ {STEADY} }}"


@dataclass(frozen=True)
class Imported:
    """A probe file as text and as a model, and the notes as `line: text`."""

    text: str
    file: ProbeFile
    notes: list[str]


@pytest.fixture
def whole(tmp_path: Path) -> Callable[..., Imported]:
    """Convert a whole script, which is in the test's own folder."""

    def imported(
        source: str,
        name: str = "script.js",
        scenario: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Imported:
        converted = convert(source, name, ScriptFiles(tmp_path, tmp_path), scenario, environment)
        path = tmp_path / "probe.yml"
        path.write_text(converted.text)
        return Imported(
            converted.text, read_probe_file(path), [f"{note.line}: {note.text}" for note in converted.notes]
        )

    return imported


@pytest.fixture
def with_body(whole: Callable[[str], Imported]) -> Callable[[str], Imported]:
    """Convert a script with this default function, which starts in line 2."""

    def imported(body: str, options: str = LOAD) -> Imported:
        return whole(f"{HEAD} export const options = {options}; export default function () {{\n{body}\n}}\n")

    return imported


@pytest.fixture
def with_options(whole: Callable[[str], Imported]) -> Callable[[str], Imported]:
    """Convert a script with these options, which start in line 2."""

    def imported(options: str) -> Imported:
        body = "check(http.get('http://shop/'), { ok: (r) => r.status === 200 });"
        return whole(f"{HEAD} export const options =\n{options};\nexport default () => {{ {body} }};\n")

    return imported
