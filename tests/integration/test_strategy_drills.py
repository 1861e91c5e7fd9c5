"""The drills of configs/drills on their own labs, several at once, and in a row on one lab."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from alertdrill.agent.errors import INCONCLUSIVE
from alertdrill.agent.recording.recording import read_recording
from alertdrill.agent.report.drill import wording
from alertdrill.agent.verdict.judge import judge
from tests.integration.conftest import ALERTDRILL, LONGEST_SECONDS, ROOT, KeptLab, run_alertdrill, wait_until
from tests.integration.drilling import call, read_to, until_quiet, verdicts
from tests.support.processes import command_line

Run = Callable[..., "subprocess.CompletedProcess[str]"]
DRILLS = ROOT / "configs/drills"


def test_a_drill_on_an_engine_that_fails_already_is_inconclusive_and_says_so(
    lab: KeptLab, alertdrill: Run, tmp_path: Path
) -> None:
    os.kill(lab.pids["payment-engine"], signal.SIGSTOP)
    try:
        wait_until(lambda: "SystemDown" in _firing(lab), "the engine counts as down")
        ended = alertdrill("drill", "--config", lab.config, DRILLS / "high-memory-usage.yml", "-o", tmp_path)
    finally:
        os.kill(lab.pids["payment-engine"], signal.SIGCONT)
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "fault injected" not in ended.stdout
    assert any("SystemDown" in text for text in verdicts(tmp_path)["undermined_by"])


def _firing(lab: KeptLab) -> set[str]:
    alerts = call(f"{lab.settings()['prometheus']['url']}/api/v1/alerts")["data"]["alerts"]  # type: ignore[index]
    return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


@pytest.mark.usefixtures("quiet")
def test_after_a_drill_whose_fault_cannot_be_injected_the_next_one_runs(
    lab: KeptLab, alertdrill: Run, tmp_path: Path
) -> None:
    fault = "{kind: latency, proxy: nosuch, latency: 3s, lasts: until-fired}"
    expected = "{alert: HighResponseTime, within: 12m}"
    impossible = tmp_path / "impossible.yml"
    impossible.write_text(f"drill: impossible\nload: {{rate: 40}}\nfaults: [{fault}]\nexpect: [{expected}]\n")
    control = tmp_path / "control.yml"
    control.write_text("drill: control\nload: {rate: 40}\nbaseline: 1m\nobserve: 1m\n")
    for attempt in range(5):  # the machine can spoil a drill, which is then inconclusive
        output = tmp_path / f"attempt-{attempt}"
        ended = alertdrill("drill", "--config", lab.config, impossible, control, "-o", output)
        (recording,) = output.glob("control-*.recording.json.gz")
        if judge(read_recording(recording)).exit_code != INCONCLUSIVE:
            break
        until_quiet(lab)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "alertdrill: drill impossible: " in ended.stdout
    assert "nosuch" in ended.stdout
    assert "1 of 2 drills passed" in ended.stdout


def _start(
    files: list[Path], output: Path, folder: str, *more: str, labs: str = "2", scale: str = "auto"
) -> subprocess.Popen[str]:
    where = ["--lab", "--time-scale", scale, "--parallel", labs]
    return subprocess.Popen(
        [*ALERTDRILL, "drill", *map(str, files), *where, *more, "-o", output],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TMPDIR": folder},
    )


def _wait_until_nothing_is_left_of(folder: str) -> None:
    left: list[str] = []

    def is_none_left() -> bool:
        left[:] = [command_line(path.name) for path in Path("/proc").glob("[0-9]*") if _works_in(path, folder)]
        return not left

    try:
        wait_until(is_none_left, "their servers end")
    except AssertionError as error:
        raise AssertionError(f"{error}, but {left} and {list(Path(folder).iterdir())} are left") from None


def _works_in(process: Path, folder: str) -> bool:
    try:
        return folder in str((process / "cwd").readlink())
    except OSError:
        return False


@pytest.mark.usefixtures("all_connections")
def test_drills_on_two_labs_pass_and_are_shown_in_one_table(tmp_path: Path) -> None:
    """Three causes: connections run out, connections are reset, and a process is killed."""
    names = ["database-connections-exhausted", "high-error-rate", "system-down"]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs as another user
        files = [DRILLS / f"{name}.yml" for name in names]
        process = _start(files, tmp_path, folder, "--proofs", str(tmp_path / "proofs.json"))
        said, _ = process.communicate(timeout=1200)
        _wait_until_nothing_is_left_of(folder)
    assert process.returncode == 0, said
    assert re.search(
        r"  2 labs at time scale [\d.]+: [\d.]+ of \d+ cores? (is|are) free, scrapes come \d+ ms late", said
    )
    assert "3 of 3 drills passed in" in said
    assert said.count("exactly once") == 3
    # Those that the machine spoiled have another recording.
    recordings = list(tmp_path.glob("*.recording.json.gz"))
    assert len(recordings) >= 3
    for path in recordings:
        # Enough to evaluate every rule of the file again, and small enough to be kept.
        replay = read_recording(path).replay
        assert replay is not None
        assert replay.series
        assert replay.left_out == []
        assert path.stat().st_size < 2**20
    _require_proven({"DatabaseConnectionsExhausted", "HighErrorRate", "SystemDown"}, tmp_path / "proofs.json")


def _require_proven(alerts: set[str], proofs: Path) -> None:
    """Require proofs of the rules as they are in the file, though Prometheus spells them anew and at a time scale."""
    rules = ROOT / "configs" / "prometheus" / "rules.yml"
    ended = run_alertdrill("gate", rules, "--proofs", proofs, "--format", "json")
    found = json.loads(ended.stdout)["alerts"]
    assert {one["alert"] for one in found if one["coverage"] == "proven"} == alerts


@pytest.mark.usefixtures("few_connections")
def test_a_drill_that_was_held_up_is_tried_again_more_slowly_and_says_so(tmp_path: Path) -> None:
    """Most of its first baseline long, the process is stopped, as on a machine that gives it no time."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        process = _start([DRILLS / "system-down.yml"], tmp_path, folder, labs="1")
        baseline = float(_match(process, r"baseline begins, at most ([\d.]+) s")[1])
        time.sleep(0.2 * baseline)  # until the load is under way
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(0.7 * baseline)
        os.kill(process.pid, signal.SIGCONT)
        said, _ = process.communicate(timeout=1200)
        _wait_until_nothing_is_left_of(folder)
    first, *later = sorted(map(read_recording, tmp_path.glob("*.recording.json.gz")), key=lambda one: one.started_at)
    assert judge(first).spoiled_by_machine, judge(first)
    assert [one.attempt for one in (first, *later)] == list(range(1, len(later) + 2))
    assert [one.time_scale for one in later] == [first.time_scale / 2**number for number in range(1, len(later) + 1)]
    assert "the machine was too busy for drill system-down: again, one at a time, at time scale" in said
    last = judge(later[-1])
    how = f"at the {['second', 'third'][len(later) - 1]} try, alone at time scale {later[-1].time_scale:g}"
    assert f"(system-down {wording.OVERALL[last.exit_code]} {how})" in said.splitlines()[-1]
    assert process.returncode == last.exit_code
    assert last.exit_code == 0 or last.spoiled_by_machine, said


def _match(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    assert process.stdout is not None
    return next(found for line in process.stdout if (found := re.search(pattern, line)))


@pytest.mark.usefixtures("few_connections")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize(("scale", "words"), [("30", "fault injected"), ("auto", "lab: 8 servers are ready")])
def test_a_signal_that_ends_several_drills_ends_their_labs(
    tmp_path: Path, number: signal.Signals, scale: str, words: str
) -> None:
    files = [DRILLS / f"{name}.yml" for name in ("database-latency", "low-cache-hit-rate")]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        for attempt in range(3):  # the machine can spoil both baselines
            process = _start(files, tmp_path / f"attempt-{attempt}", folder, scale=scale)
            if words in (said := read_to(process, words)) or process.wait(LONGEST_SECONDS) != INCONCLUSIVE:
                break
        assert words in said, said
        process.send_signal(number)
        said, _ = process.communicate(timeout=LONGEST_SECONDS)
        assert process.returncode == {signal.SIGINT: 130, signal.SIGKILL: -9}[number], said
        assert "Traceback" not in said
        # Labs whose starter was killed end on their own, and tell nobody.
        _wait_until_nothing_is_left_of(folder)
        wait_until(lambda: not list(Path(folder).iterdir()), "their folders are gone")
