"""`alertdrill import-k6` as its user sees it: files, standard output and error, exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from alertdrill.agent.cli import app
from alertdrill.agent.config.probe import read_probe_file

SCRIPT = """\
import http from 'k6/http';
import { sleep } from 'k6';
export const options = { vus: 5, duration: '1m' };
export default function () {
  http.get('http://shop/');
  sleep(1);
}
"""
NOTES = """\
{file}:3: numbers of virtual users become transactions a second: with sleep(1) a user makes about one iteration a second
{file}:4: no check is carried over, so a status of 2xx or 3xx is expected
{file}:6: sleep(1) is not carried over: the load is an open loop, and arrivals do not wait for it
"""
TEXT = """\
# Imported from shop.js, a k6 script.
# The script sets no timeout: this is the default of k6.
probe:
  kind: http
  client: aiohttp
  url: http://shop/
  method: GET
  timeout: 60s
  checks:
    - {status: [2xx, 3xx]}

load:
  rate: 5
  duration: 1m
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "shop.js"
    path.write_text(SCRIPT)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["import-k6", *map(str, arguments)])


def test_variables_for_the_script_are_given_as_in_k6(script: Path) -> None:
    script.write_text(SCRIPT.replace("'http://shop/'", "`http://${__ENV.HOST}/${__ENV.KEY}`"))
    assert "url: http://shop/${KEY}" in run(script, "-e", "HOST=shop").stdout
    wrong = run(script, "--env", "HOST")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "'HOST' is not a variable, expected NAME=VALUE" in wrong.stderr


def test_the_probe_file_goes_to_standard_output_and_the_notes_to_standard_error(script: Path) -> None:
    ended = run(script)
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, TEXT, NOTES.format(file=script))


def test_the_probe_file_goes_to_a_file(script: Path, tmp_path: Path) -> None:
    output = tmp_path / "new/shop.yml"
    ended = run(script, "--output", output)
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "", NOTES.format(file=script))
    assert output.read_text() == TEXT
    assert read_probe_file(output).load is not None


def test_an_existing_file_is_overwritten_only_with_force(script: Path, tmp_path: Path) -> None:
    output = tmp_path / "shop.yml"
    output.write_text("mine\n")
    refused = run(script, "-o", output)
    text = f"alertdrill: {output}: exists already, use --force to overwrite it\n"
    assert (refused.exit_code, refused.stdout, refused.stderr) == (2, "", text)
    assert output.read_text() == "mine\n"
    assert run(script, "-o", output, "--force").exit_code == 0
    assert output.read_text() == TEXT


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"let x = ;", ":1:7: is not JavaScript from here on: '='"),
        (b"let x = 1;", ": has no default function, expected export default … { http.get(…) }"),
        (b"export const options = {}; export default function () {}", ":1: makes no request with k6/http, expected"),
        (b"let x = '\xff';", ": is not UTF-8 text: invalid start byte"),
        (b"let x = " + b"[" * 5000 + b"]" * 5000, ": is nested too deeply to be read"),
    ],
)
def test_an_unusable_script_is_reported_in_one_line(script: Path, content: bytes, text: str) -> None:
    script.write_bytes(content)
    ended = run(script, "-o", script.with_suffix(".yml"))
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"alertdrill: {script}{text}")
    assert ended.stderr.count("\n") == 1
    assert not script.with_suffix(".yml").exists()


def test_a_missing_script_is_reported(tmp_path: Path) -> None:
    ended = run(tmp_path / "none.js")
    assert (ended.exit_code, ended.stderr) == (
        2,
        f"alertdrill: {tmp_path / 'none.js'}: cannot be read: No such file or directory\n",
    )


def test_an_output_that_cannot_be_written_is_reported(script: Path) -> None:
    ended = run(script, "-o", script / "shop.yml")
    assert ended.exit_code == 2
    assert ended.stderr.startswith(f"alertdrill: {script / 'shop.yml'}: cannot be written: ")


def test_line_ends_and_byte_order_marks_of_other_systems_are_read(script: Path) -> None:
    script.write_bytes(b"\xef\xbb\xbf" + SCRIPT.replace("\n", "\r\n").encode())
    assert run(script).stdout == TEXT


def test_without_the_extra_one_line_says_what_to_install(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tree_sitter", None)
    ended = run(script)
    assert (ended.exit_code, ended.stderr) == (
        2,
        "alertdrill: the library tree_sitter is not installed: pip install 'alertdrill[import-k6]'\n",
    )


def test_no_other_command_needs_the_extra() -> None:
    program = "import sys, alertdrill.agent.cli, alertdrill.agent.config.check; sys.exit('tree_sitter' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_help_has_an_example() -> None:
    assert "alertdrill import-k6 load-test.js" in CliRunner().invoke(app, ["import-k6", "--help"]).stdout
