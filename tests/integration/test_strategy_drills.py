"""The drills of configs/drills on their own labs, several at once, and in a row on one lab."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from alertdrill.agent.errors import INCONCLUSIVE
from tests.integration.conftest import ALERTDRILL, ROOT, KeptLab
from tests.integration.drilling import verdicts, wait_for

Run = Callable[..., "subprocess.CompletedProcess[str]"]
DRILLS = ROOT / "configs/drills"


def test_a_drill_on_an_engine_that_fails_already_is_inconclusive_and_says_so(
    lab: KeptLab, alertdrill: Run, tmp_path: Path
) -> None:
    os.kill(lab.pids["payment-engine"], signal.SIGSTOP)
    try:
        ended = alertdrill("drill", "--config", lab.config, DRILLS / "high-memory-usage.yml", "-o", tmp_path)
    finally:
        os.kill(lab.pids["payment-engine"], signal.SIGCONT)
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "fault injected" not in ended.stdout
    assert any("SystemDown" in text for text in verdicts(tmp_path)["undermined_by"])


def test_after_a_drill_whose_fault_cannot_be_injected_the_next_one_runs(
    lab: KeptLab, alertdrill: Run, tmp_path: Path
) -> None:
    fault = "{kind: latency, proxy: nosuch, latency: 3s, lasts: until-fired}"
    expected = "{alert: HighResponseTime, within: 12m}"
    impossible = tmp_path / "impossible.yml"
    impossible.write_text(f"drill: impossible\nload: {{rate: 40}}\nfaults: [{fault}]\nexpect: [{expected}]\n")
    control = tmp_path / "control.yml"
    control.write_text("drill: control\nload: {rate: 40}\nbaseline: 1m\nobserve: 1m\n")
    ended = alertdrill("drill", "--config", lab.config, impossible, control, "-o", tmp_path)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "alertdrill: drill impossible: " in ended.stdout
    assert "nosuch" in ended.stdout
    assert "1 of 2 drills passed" in ended.stdout


def _start(files: list[Path], output: Path, folder: str, *, labs: int = 2, scale: int = 30) -> subprocess.Popen[str]:
    where = ["--lab", "--time-scale", str(scale), "--parallel", str(labs)]
    return subprocess.Popen(
        [*ALERTDRILL, "drill", *map(str, files), *where, "-o", output],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TMPDIR": folder},
    )


def _left_of(folder: str) -> list[str]:
    return [path.name for path in Path("/proc").glob("[0-9]*") if folder in _cwd(path / "cwd")]


def _cwd(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def test_drills_on_two_labs_pass_and_are_shown_in_one_table(tmp_path: Path) -> None:
    """Three causes: connections run out, connections are reset, and a process is killed."""
    names = ["database-connections-exhausted", "high-error-rate", "system-down"]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs as another user
        # The machine can spoil a drill, which is then inconclusive: again more slowly, the last time alone.
        for labs, scale in ((2, 30), (2, 15), (1, 8)):
            output = tmp_path / f"{labs}-labs-at-{scale}"
            process = _start([DRILLS / f"{name}.yml" for name in names], output, folder, labs=labs, scale=scale)
            said, _ = process.communicate(timeout=400)
            assert _left_of(folder) == []
            if process.returncode != INCONCLUSIVE:
                break
    assert process.returncode == 0, said
    assert "3 of 3 drills passed in" in said
    assert said.count("exactly once") == 3
    assert len(list(output.glob("*.recording.json.gz"))) == 3


@pytest.mark.usefixtures("few_connections")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_signal_that_ends_several_drills_ends_their_labs(tmp_path: Path, number: signal.Signals) -> None:
    files = [DRILLS / f"{name}.yml" for name in ("database-latency", "low-cache-hit-rate")]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        process = _start(files, tmp_path, folder)
        wait_for(process, "fault injected")
        process.send_signal(number)
        said, _ = process.communicate(timeout=300)
        assert process.returncode == {signal.SIGINT: 130, signal.SIGKILL: -9}[number], said
        assert "Traceback" not in said
        deadline = time.monotonic() + 60
        while (_left_of(folder) or list(Path(folder).iterdir())) and time.monotonic() < deadline:
            time.sleep(0.1)  # labs whose starter was killed end on their own, and tell nobody
        assert _left_of(folder) == []
        assert list(Path(folder).iterdir()) == []
