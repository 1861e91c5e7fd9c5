"""Whole drills on real servers, and every way in which a drill can end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from alertdrill.agent.recording.recording import read_recording
from tests.integration.conftest import (
    ALERTDRILL,
    DRILL_RATE,
    LONGEST_SECONDS,
    ROOT,
    KeptLab,
    ended_by_no_alert,
    wait_until,
)
from tests.integration.drilling import begun, changed, judged, start, verdict_of, verdicts, wait_for

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Write = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("quiet")
SHORT = [{"alert": "HighResponseTime", "within": "3m", "receiver": "team-lead"}]


def test_a_slow_database_is_proven_to_fire_notify_and_resolve(
    lab: KeptLab, alertdrill: Run, drill_file: Write, tmp_path: Path
) -> None:
    ended, output = judged(lab, drill_file(), tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (recording,) = output.glob("*.recording.json.gz")
    (page,) = output.glob("*.html")
    assert ended.stdout.splitlines()[-1] == f"report {page}"
    reported = verdicts(output)
    assert reported["verdicts"][0]["outcome"] == "passed"
    assert lab.toxic_names() == []
    kpis = {one["kpi"]: {at["phase"]: at["value"] for at in one["values"]} for one in reported["kpis"]}
    p95 = kpis["response time p95"]
    assert p95["fault"] > 2 > p95["baseline"]
    again = alertdrill("judge", recording, "--json")
    assert again.returncode == 0
    # Where the pages of runbooks are is in no recording; a second try on a lab of its own finds those of the checkout.
    for one in reported["verdicts"]:
        one["runbook"]["page"] = None
    assert json.loads(again.stdout) == reported


def test_without_its_fault_the_same_drill_is_missed(lab: KeptLab, drill_file: Write, tmp_path: Path) -> None:
    ended, output = judged(lab, drill_file(faults=[], expect=SHORT), tmp_path)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    verdict = verdict_of(output)
    assert verdict["outcome"] == "missed"
    assert "never crossed" in verdict["reason"]


@pytest.mark.parametrize("number", [signal.SIGSTOP])
def test_a_drill_whose_prometheus_hangs_is_inconclusive(
    lab: KeptLab, drill_file: Write, tmp_path: Path, number: signal.Signals
) -> None:
    process = start(lab.config, drill_file(**ended_by_no_alert()), tmp_path)
    wait_for(process, "fault injected")
    os.kill(lab.pids["prometheus"], number)
    try:
        output, _ = process.communicate(timeout=LONGEST_SECONDS)
    finally:
        os.kill(lab.pids["prometheus"], signal.SIGCONT)
    assert process.returncode == 3, output
    assert "Prometheus could not be asked" in verdicts(tmp_path)["verdicts"][0]["reason"]
    assert lab.toxic_names() == []


def test_a_drill_whose_load_cannot_run_is_inconclusive(
    lab: KeptLab, alertdrill: Run, drill_file: Write, tmp_path: Path
) -> None:
    probe = dict(lab.settings()["probe"]) | {"url": "http://127.0.0.1:1/"}  # type: ignore[call-overload]
    config = changed(lab, tmp_path, probe=probe)
    ended = alertdrill("drill", "--config", config, drill_file(**ended_by_no_alert("3m")), "-o", tmp_path)
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "refused" in verdicts(tmp_path)["verdicts"][0]["reason"]


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("baseline begins", signal.SIGINT),
        ("fault injected", signal.SIGINT),
        ("fault injected", signal.SIGTERM),
        ("alert HighResponseTime: pending", signal.SIGINT),
        ("recovery begins", signal.SIGINT),
    ],
)
def test_an_interrupted_drill_leaves_nothing_broken(
    lab: KeptLab, drill_file: Write, tmp_path: Path, words: str, number: signal.Signals
) -> None:
    output = tmp_path / "recordings"
    needs_alert = words in {"alert HighResponseTime: pending", "recovery begins"}
    process = begun(lab, drill_file(**{} if needs_alert else ended_by_no_alert()), output, words)
    process.send_signal(number)
    printed, _ = process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode == 130, printed
    assert "Traceback" not in printed
    assert lab.toxic_names() == []
    # A watchdog that had to act, because the machine stopped the drill, leaves its log.
    assert {path.name for path in (lab.config.parent / "ledger").glob("*")} <= {"key", "watchdog.log"}
    # A recording and its reports, whole, and nothing else.
    kinds = sorted(path.name.partition(".")[2] for path in output.iterdir())
    assert kinds == ["html", "json", "junit.xml", "recording.json.gz"]
    (recording,) = output.glob("*.recording.json.gz")
    assert read_recording(recording).aborted.startswith("it was interrupted in the ")


def test_a_toxic_that_somebody_removed_makes_the_drill_inconclusive(
    lab: KeptLab, drill_file: Write, tmp_path: Path
) -> None:
    process = start(lab.config, drill_file(**ended_by_no_alert()), tmp_path)
    wait_for(process, "fault injected")
    (name,) = lab.toxic_names()
    url = lab.settings()["toxiproxy"]["url"]  # type: ignore[index]
    removal = urllib.request.Request(f"{url}/proxies/postgres/toxics/{name}", method="DELETE")  # noqa: S310 - of the lab
    removed_at = time.time()
    urllib.request.urlopen(removal).close()  # noqa: S310
    printed, _ = process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode == 3, printed
    assert f"fault not in force any more: latency on proxy postgres (downstream): the toxic {name} is gone" in printed
    reason = verdicts(tmp_path)["verdicts"][0]["reason"]
    assert "was taken back by somebody else: the toxic" in reason
    (path,) = tmp_path.glob("*.recording.json.gz")
    recording = read_recording(path)
    (record,) = recording.faults
    assert removed_at <= record.healed_at <= recording.ended_at
    assert record.outcome.startswith("taken back by somebody else: the toxic")
    assert lab.toxic_names() == []


def test_the_metrics_show_a_fault_while_it_is_in_force(lab: KeptLab, drill_file: Write, tmp_path: Path) -> None:
    process = start(lab.config, drill_file(**ended_by_no_alert(), baseline="6m"), tmp_path)
    fault = 'alertdrill_fault_active{kind="latency",target="proxy postgres (downstream)"}'
    wait_for(process, "baseline begins")
    before = scraped(lab)
    wait_for(process, "fault injected")
    during = scraped(lab)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=LONGEST_SECONDS)
    assert f"{fault} 0.0" in before
    assert f"{fault} 1.0" in during
    assert 'alertdrill_drill_phase{drill="database-latency",phase="baseline"} 1.0' in before
    assert 'alertdrill_drill_phase{drill="database-latency",phase="fault"} 1.0' in during
    assert f"alertdrill_target_transactions_per_second {DRILL_RATE}.0" in during


def scraped(lab: KeptLab) -> str:
    with urllib.request.urlopen(f"http://{lab.settings()['listen']}/metrics", timeout=60) as answer:
        return str(answer.read().decode())


def test_a_killed_drill_is_healed_by_its_watchdog(lab: KeptLab, drill_file: Write, tmp_path: Path) -> None:
    ledger = lab.config.parent / "ledger"
    process = start(lab.config, drill_file(**ended_by_no_alert()), tmp_path)
    wait_for(process, "fault injected")
    assert len(lab.toxic_names()) == len(list(ledger.glob("*.json"))) == 1
    process.kill()
    process.communicate()
    wait_until(lambda: not lab.toxic_names() and not list(ledger.glob("*.json")), "the watchdog undoes it")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"expect": [{"alert": "HighResponsTime"}]}, "did you mean HighResponseTime?"),
        ({"faults": [{"kind": "latency", "proxy": "postgre", "latency": "1s"}]}, "expected one of: postgres, redis"),
        ({"baseline": 120}, "expected a duration such as"),
    ],
)
def test_a_drill_that_cannot_run_is_refused_before_anything_is_broken(  # noqa: PLR0913, PLR0917 - fixtures
    lab: KeptLab, alertdrill: Run, drill_file: Write, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    ended = alertdrill("drill", "--config", lab.config, drill_file(**changes), "-o", tmp_path / "out")
    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
    assert lab.toxic_names() == []


def test_an_unreachable_prometheus_is_reported_in_one_line(
    lab: KeptLab, alertdrill: Run, drill_file: Write, tmp_path: Path
) -> None:
    config = changed(lab, tmp_path, prometheus={"url": "http://127.0.0.1:1"})
    ended = alertdrill("drill", "--config", config, drill_file(), "-o", tmp_path / "out")
    assert ended.returncode == 2
    assert ended.stderr.startswith("alertdrill: Prometheus cannot be reached: http://127.0.0.1:1/")
    assert len(ended.stderr.splitlines()) == 1


def test_a_taken_port_is_named(lab: KeptLab, alertdrill: Run, drill_file: Write, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = alertdrill(
            "drill", "--config", changed(lab, tmp_path, listen=address), drill_file(), "-o", tmp_path / "out"
        )
    assert ended.returncode == 2
    assert f"cannot listen on {address}" in ended.stderr


def test_a_folder_that_cannot_be_written_is_reported_before_the_drill(
    lab: KeptLab, alertdrill: Run, drill_file: Write, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    ended = alertdrill("drill", "--config", lab.config, drill_file(), "-o", tmp_path / "file" / "out")
    assert ended.returncode == 2
    assert "recordings cannot be written" in ended.stderr


@pytest.mark.usefixtures("few_connections")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_survives_the_lab(number: signal.Signals) -> None:
    from tests.integration.conftest import start_lab

    doomed = start_lab()
    folder, pids = doomed.config.parent, doomed.pids
    assert len(pids) == 8
    doomed.process.send_signal(number)
    doomed.process.wait(LONGEST_SECONDS)
    wait_until(lambda: not folder.exists(), "its folder is gone")
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids.values()), "its servers are gone")


@pytest.mark.usefixtures("few_connections")
@pytest.mark.parametrize("words", ["lab: starting", "fault injected"])
def test_an_interrupted_drill_removes_its_own_lab(drill_file: Write, tmp_path: Path, words: str) -> None:
    drill = drill_file(**ended_by_no_alert())
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs as another user
        process = subprocess.Popen(
            [*ALERTDRILL, "drill", str(drill), "--lab", "--time-scale", "30", "-o", str(tmp_path / "out")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"TMPDIR": folder},
        )
        wait_for(process, words)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=LONGEST_SECONDS)
        assert process.returncode == 130, printed
        assert "Traceback" not in printed
        wait_until(lambda: list(Path(folder).iterdir()) == [], "the lab's folder is gone")
        wait_until(lambda: not [p for p in Path("/proc").glob("[0-9]*/cwd") if folder in _cwd(p)], "its servers end")


def _cwd(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""
