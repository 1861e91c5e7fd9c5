"""Drills as processes that a test can wait for, stop and read the verdicts of."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from alertdrill.agent.errors import INCONCLUSIVE
from tests.integration.conftest import ALERTDRILL, LONGEST_SECONDS, ROOT, KeptLab, run_alertdrill, wait_until


def verdicts(folder: Path) -> dict[str, Any]:
    (path,) = [path for path in folder.glob("*.json") if ".recording" not in path.name]
    return dict(json.loads(path.read_text()))


def verdict_of(folder: Path, alert: str = "HighResponseTime") -> dict[str, Any]:
    """Return the verdict about one alert; on a busy machine the engine can miss its scrapes, and SystemDown fires too."""
    (verdict,) = [one for one in verdicts(folder)["verdicts"] if one["alert"] == alert]
    return dict(verdict)


def judged(lab: KeptLab, drill: Path, folder: Path) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run a drill until it is judged; return how it ended, and the folder of its reports.

    The machine can spoil a drill, which is then inconclusive. It is tried again on a lab of its own, at half the time
    scale, up to twice. What is always inconclusive stays so.
    """
    for attempt, where in enumerate(
        (["--config", lab.config], ["--lab", "--time-scale", 15], ["--lab", "--time-scale", 8])
    ):
        output = folder / f"attempt-{attempt}"
        ended = run_alertdrill("drill", drill, *where, "-o", output)
        if ended.returncode != INCONCLUSIVE:
            break
    return ended, output


def start(config: Path, drill: Path, output: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*ALERTDRILL, "drill", "--config", str(config), str(drill), "-o", str(output)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def begun(lab: KeptLab, drill: Path, output: Path, words: str, config: Path | None = None) -> subprocess.Popen[str]:
    """Start a drill, and wait until it says something; one whose baseline the machine spoils is begun again.

    What is always inconclusive stays so.
    """
    for _ in range(5):
        process = start(config or lab.config, drill, output)
        said = read_to(process, words)
        if words in said:
            return process
        if process.wait(LONGEST_SECONDS) != INCONCLUSIVE:
            break
        for path in output.glob("database-latency-*"):
            path.unlink()
        until_quiet(lab)
    raise AssertionError(f"the drill ended without saying {words!r}: {said}")


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    said = read_to(process, words)
    assert words in said, f"the drill ended without saying {words!r}: {said}"


def read_to(process: subprocess.Popen[str], words: str) -> str:
    """Read what a process prints, up to the line with some words, or to its end."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            break
    return said


def changed(lab: KeptLab, tmp_path: Path, **changes: object) -> Path:
    path = tmp_path / "agent.yml"
    path.write_text(yaml.safe_dump(lab.settings() | changes))
    return path


def call(url: str, method: str = "GET", body: bytes | None = None, token: str = "") -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - of the lab
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
        text = answer.read()
    return json.loads(text) if text.startswith((b"{", b"[")) else text.decode()


def until_quiet(lab: KeptLab) -> None:
    """Wait until no alert is active: a drill breaks nothing while one fires."""
    url = f"{lab.settings()['prometheus']['url']}/api/v1/alerts"  # type: ignore[index]
    wait_until(lambda: not call(url)["data"]["alerts"], "no alert is active")
