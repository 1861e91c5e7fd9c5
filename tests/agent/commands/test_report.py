from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from alertdrill.agent.cli import app

SAMPLES = Path(__file__).parents[2] / "recordings"
PASSED = SAMPLES / "passed.recording.json.gz"


def report(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_the_reports_of_a_drill_are_written_again_from_its_recording(tmp_path: Path) -> None:
    ended = report(PASSED, "--output", tmp_path, "--no-color")
    assert ended.exit_code == 0, ended.output
    assert "HighResponseTime passed" in ended.stdout
    assert f"report {tmp_path}/passed.html" in ended.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"passed.html", "passed.json", "passed.junit.xml"}
    assert json.loads((tmp_path / "passed.json").read_text())["outcome"] == "passed"


def test_a_post_mortem_goes_to_the_output_or_to_a_file(tmp_path: Path) -> None:
    shown = report(PASSED, "--postmortem").stdout
    assert shown.startswith("# Post-incident report: database-latency\n")
    path = tmp_path / "incidents/database.md"
    assert report(PASSED, "--postmortem", "--output", path).exit_code == 0
    assert path.read_text() == shown


def test_a_probe_file_adds_the_money_that_an_older_recording_lacks(tmp_path: Path) -> None:
    probe = tmp_path / "probe.yml"
    probe.write_text("probe: {kind: http, url: 'http://a/', method: POST, json: {amount: 2, currency: EUR}}\n")
    shown = report(PASSED, "--postmortem", "--probe", probe).stdout
    assert "- Money in transactions that did not succeed: 2,598.00 EUR." in shown


def test_an_option_sets_what_counts_as_slow() -> None:
    assert "- Slower than 500 ms:" in report(PASSED, "--postmortem", "--slow", "500ms").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.json.gz"], "alertdrill: missing.json.gz: cannot be read: No such file or directory"),
        ([PASSED, "--slow", "2"], "alertdrill: --slow: "),
        ([PASSED, "--postmortem", "--probe", "missing.yml"], "alertdrill: missing.yml: cannot be read"),
        ([PASSED, "--postmortem", "--output", "/dev/null/a"], "alertdrill: /dev/null/a cannot be written: "),
        ([PASSED, "--output", "/dev/null/a"], "alertdrill: /dev/null/a/passed.json cannot be written: "),
    ],
)
def test_an_error_is_one_line(arguments: list[object], said: str) -> None:
    ended = report(*arguments)
    assert ended.exit_code == 2
    assert ended.stderr.startswith(said)
    assert ended.stderr.count("\n") == 1
