from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import time
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from alertdrill.agent.cli import app
from alertdrill.agent.recording.recording import Recording, read_recording, write_recording

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "tests/recordings"
RULES = ROOT / "configs/prometheus/rules.yml"


def review(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["review", *map(str, arguments), "--no-color"])


def named(recording: Recording) -> str:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(recording.started_at))
    return f"{recording.drill.name}-{stamp}.recording.json.gz"


def test_the_sample_drills_prove_one_alert_of_the_strategy() -> None:
    ended = review(SAMPLES, "--rules", RULES)
    assert ended.exit_code == 0, ended.output
    assert "5 drills: 1 passed, 3 failed, 1 inconclusive; 1 of 8 alerts proven" in ended.stdout
    assert "1 missed, 1 inconclusive, 1 late, 1 passed" in " ".join(ended.stdout.split())
    assert "✗ HighTPS: no drill expects it" in ended.stdout
    assert "✗ HighResponseTime: " not in ended.stdout


def test_a_damaged_recording_is_one_line_and_the_others_are_reviewed(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "passed.recording.json.gz", tmp_path)
    (tmp_path / "cut.recording.json.gz").write_bytes((SAMPLES / "late.recording.json.gz").read_bytes()[:3000])
    (tmp_path / "old.recording.json.gz").write_bytes(gzip.compress(json.dumps({"version": 1}).encode()))
    ended = review(tmp_path)
    assert ended.exit_code == 0
    assert "1 drill: 1 passed" in ended.stdout
    cut, old = ended.stderr.splitlines()
    assert cut.startswith(f"skipped: {tmp_path}/cut.recording.json.gz: is not a complete recording: ")
    assert old.startswith(f"skipped: {tmp_path}/old.recording.json.gz: has version 1, expected ")
    assert "cut.recording.json.gz" in review(tmp_path, "--format", "html").stdout


def test_old_drills_are_left_out_also_without_a_time_in_their_names(tmp_path: Path) -> None:
    sample = read_recording(SAMPLES / "passed.recording.json.gz")
    write_recording(sample, tmp_path / named(sample))
    write_recording(sample, tmp_path / "renamed.recording.json.gz")
    assert "2 drills" in review(tmp_path).stdout
    assert "0 drills" in review(tmp_path, "--since", "1ms").stdout


def test_a_recording_with_an_old_time_in_its_name_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "slow-20200101T000000Z.recording.json.gz").write_bytes(b"never read")
    assert "skipped" in review(tmp_path).stderr
    assert review(tmp_path, "--since", "7d").stderr == ""


@pytest.mark.parametrize(("form", "begins"), [("markdown", "# Review of all drills\n"), ("html", "<!doctype html>\n")])
def test_each_format_begins_as_it_should(form: str, begins: str) -> None:
    assert review(SAMPLES, "--format", form).stdout.startswith(begins)


def test_strict_fails_where_an_alert_was_not_proven(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text("groups: [{name: g, rules: [{alert: HighResponseTime, expr: up}]}]\n")
    assert review(SAMPLES, "--rules", RULES, "--strict").exit_code == 1
    assert review(SAMPLES, "--rules", rules, "--strict").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing"], "alertdrill: missing: is not a folder, expected one with recordings (*.recording.json.gz)"),
        ([SAMPLES, "--since", "7"], "alertdrill: --since: "),
        ([SAMPLES, "--rules", "missing.yml"], "alertdrill: missing.yml: cannot be read"),
    ],
)
def test_an_error_is_one_line(arguments: list[object], said: str) -> None:
    ended = review(*arguments)
    assert ended.exit_code == 2
    assert ended.stderr.startswith(said)
    assert ended.stderr.count("\n") == 1


AGENT = """\
probe: {kind: tcp, url: "tcp://127.0.0.1:1"}
prometheus: {url: "http://127.0.0.1:1"}
recordings: kept
"""


def test_a_review_by_the_history_is_that_of_the_recordings(
    tmp_path: Path, passed: Recording, missed: Recording
) -> None:
    """The second time no recording is read: only the one that is new."""
    config, kept = tmp_path / "agent.yml", tmp_path / "kept"
    shutil.copytree(SAMPLES, kept)
    kept.joinpath("cut-20260102T030405Z.recording.json.gz").write_bytes(b"cut")
    for number, one in enumerate((passed, missed, passed)):
        write_recording(one, kept / f"{number}.recording.json.gz")

    def printed(*arguments: object) -> tuple[str, str]:
        ended = review(*arguments, "--format", "html")
        return re.sub(r"(since|up to) [^<]*", "", ended.stdout), ended.stderr

    def turn_around() -> None:
        """Make recordings unreadable, or readable again, without a trace in what the file system says of them."""
        for path in kept.glob("[0-9].recording.json.gz"):
            status = path.stat()
            path.write_bytes(path.read_bytes()[::-1])
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    for since in ((), ("--since", "3650d"), ("--since", "1d")):
        expected = printed(kept, *since)
        config.write_text(AGENT)
        assert printed("--config", config, *since) == expected
        config.write_text(AGENT + "history: {url: 'sqlite:h.db'}\n")
        assert printed("--config", config, *since) == expected
        turn_around()
        assert printed("--config", config, *since) == expected
        turn_around()
    assert "3 passed" in printed(kept)[0]
    config.write_text(AGENT + "history: {url: 'sqlite:h.db'}\n")
    (tmp_path / "h.db").write_bytes(b"no database" * 999)
    page, said = printed("--config", config)
    assert page == printed(kept)[0]
    assert "alertdrill: the recordings are read, because the history cannot be: " in said
    assert review("--config", config, kept).exit_code == 2
