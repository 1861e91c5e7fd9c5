"""Drills on real servers that do not come to their end: each leaves a recording and a verdict, and undoes its fault."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alertdrill.agent.recording.recording import read_recording
from alertdrill.agent.recording.records import FaultRecord
from alertdrill.agent.verdict.judge import judge
from alertdrill.lab.ports import free_ports
from alertdrill.lab.programs import find_programs
from alertdrill.lab.server import Server, Spec
from tests.integration.conftest import LONGEST_SECONDS, KeptLab, ended_by_no_alert, run_alertdrill
from tests.integration.drilling import begun, changed, start, until_quiet, verdicts, wait_for
from tests.support.full_disk import disk_of
from tests.support.toxiproxy_server import spec, witness
from tests.support.waiting import until

Write = Callable[..., Path]
# A proxy to nowhere.
DB = {"name": "db", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1", "enabled": True}
pytestmark = pytest.mark.usefixtures("quiet")


def _recorded(folder: Path, alert: str = "DatabaseConnectionsExhausted") -> str:
    """Return why the drill ended early; its recording is inconclusive, and so is each alert in its reports.

    On a busy machine the engine can miss its scrapes: then SystemDown fires too.
    """
    (path,) = folder.glob("*.recording.json.gz")
    recording = read_recording(path)
    assert judge(recording).exit_code == 3
    outcomes = {one["alert"]: one["outcome"] for one in verdicts(folder)["verdicts"]}
    assert outcomes.get(alert) == "inconclusive"
    assert set(outcomes.values()) == {"inconclusive"}
    assert list(folder.glob("*.html"))
    assert not list(folder.glob(".*"))
    return recording.aborted


@pytest.mark.parametrize(
    ("says", "phase"),
    [("baseline begins", "baseline"), ("fault injected", "fault"), ("recovery begins", "recovery")],
)
def test_a_sigterm_in_any_phase_leaves_a_recording(
    lab: KeptLab, drill_file: Write, tmp_path: Path, says: str, phase: str
) -> None:
    # There is a recovery only if an alert was active.
    drill = drill_file() if phase == "recovery" else drill_file(**ended_by_no_alert(), baseline="6m")
    process = begun(lab, drill, tmp_path, says)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode == 130, said
    assert "interrupted; every fault was undone" in said
    alert = "HighResponseTime" if phase == "recovery" else "DatabaseConnectionsExhausted"
    assert _recorded(tmp_path, alert) == f"it was interrupted in the {phase} phase"
    assert lab.toxic_names() == []
    until_quiet(lab)


async def test_a_fault_that_cannot_be_undone_leaves_a_recording_beside_exit_code_4(
    lab: KeptLab, drill_file: Write, tmp_path: Path
) -> None:
    """Toxiproxy ends while the fault is in force; when it is back, the watchdog undoes the fault."""
    ledger, port = tmp_path / "ledger", free_ports(1)[0]
    config = changed(lab, tmp_path, toxiproxy={"url": f"http://127.0.0.1:{port}"}, ledger=str(ledger))
    latency = {"kind": "latency", "proxy": "db", "latency": "1s", "at_most": "5m"}
    drill = drill_file(**ended_by_no_alert(), faults=[latency], load={"rate": 20})
    async with _toxiproxy(port, tmp_path):
        process = start(config, drill, tmp_path / "out")
        await asyncio.to_thread(wait_for, process, "fault injected")
    process.send_signal(signal.SIGINT)
    said, _ = await asyncio.to_thread(process.communicate, timeout=LONGEST_SECONDS)
    assert process.returncode == 4, said
    assert "Traceback" not in said
    assert "fault NOT healed: latency on proxy db" in said
    assert _recorded(tmp_path / "out").startswith("a fault could not be undone (")
    async with _toxiproxy(port, tmp_path):
        await until(lambda: asyncio.to_thread(_is_empty, ledger), "the watchdog undoes the fault")
    await asyncio.to_thread(until_quiet, lab)


async def test_a_toxiproxy_that_is_gone_when_the_fault_ends_leaves_a_recording_beside_exit_code_4(
    lab: KeptLab, drill_file: Write, tmp_path: Path
) -> None:
    """Nobody interrupts the drill, and Toxiproxy never comes back."""
    ledger, port = tmp_path / "ledger", free_ports(1)[0]
    config = changed(lab, tmp_path, toxiproxy={"url": f"http://127.0.0.1:{port}"}, ledger=str(ledger))
    latency = {"kind": "latency", "proxy": "db", "latency": "1s", "lasts": "10m", "at_most": "15m"}
    drill = drill_file(**ended_by_no_alert(), faults=[latency], load={"rate": 20})
    async with _toxiproxy(port, tmp_path) as server:
        process = start(config, drill, tmp_path / "out")
        await asyncio.to_thread(wait_for, process, "fault injected")
        server.kill()
        said, _ = await asyncio.to_thread(process.communicate, timeout=LONGEST_SECONDS)
    assert process.returncode == 4, said
    assert "Traceback" not in said
    assert "not in force any more" not in said
    assert "fault NOT healed: latency on proxy db" in said
    assert _recorded(tmp_path / "out").startswith("a fault could not be undone (")
    (record,) = _faults(tmp_path / "out")
    assert record.outcome.startswith("not undone: ")
    async with _toxiproxy(port, tmp_path):
        await until(lambda: asyncio.to_thread(_is_empty, ledger), "the watchdog can end")
    await asyncio.to_thread(until_quiet, lab)


@pytest.mark.parametrize("proxies", [[], [DB]], ids=["without its proxies", "with its proxies"])
async def test_a_toxiproxy_that_was_killed_and_started_again_makes_the_drill_inconclusive(
    lab: KeptLab, drill_file: Write, tmp_path: Path, proxies: list[dict[str, object]]
) -> None:
    """All toxics are lost; a Toxiproxy with a configuration file has its proxies again at once."""
    ledger, port = tmp_path / "ledger", free_ports(1)[0]
    config = changed(lab, tmp_path, toxiproxy={"url": f"http://127.0.0.1:{port}"}, ledger=str(ledger))
    latency = {"kind": "latency", "proxy": "db", "latency": "1s", "at_most": "15m"}
    drill = drill_file(**ended_by_no_alert(), faults=[latency], load={"rate": 20})
    with_proxies = tmp_path / "proxies.json"
    with_proxies.write_text(json.dumps(proxies))
    async with _toxiproxy(port, tmp_path) as server:
        process = start(config, drill, tmp_path / "out")
        await asyncio.to_thread(wait_for, process, "fault injected")
        server.kill()
        killed_at = time.time()
        async with _started(spec(port, "-config", str(with_proxies)), tmp_path):
            said, _ = await asyncio.to_thread(process.communicate, timeout=LONGEST_SECONDS)
            ended_at = time.time()
    assert process.returncode == 3, said
    lost = "fault not in force any more: latency on proxy db (downstream): the toxic alertdrill-"
    assert lost in said
    (record,) = _faults(tmp_path / "out")
    assert killed_at < record.healed_at < ended_at
    instant = datetime.fromtimestamp(record.healed_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    words = f"is gone from Toxiproxy: it was removed, or Toxiproxy was restarted; noticed at {instant}, "
    assert record.outcome.startswith("taken back by somebody else: the toxic alertdrill-")
    assert words in record.outcome
    assert words in _recorded(tmp_path / "out")
    assert words in verdicts(tmp_path / "out")["verdicts"][0]["reason"]
    assert _is_empty(ledger)
    await asyncio.to_thread(until_quiet, lab)


def _faults(folder: Path) -> list[FaultRecord]:
    (path,) = folder.glob("*.recording.json.gz")
    return read_recording(path).faults


def _is_empty(ledger: Path) -> bool:
    return not list(ledger.glob("*.json"))


@asynccontextmanager
async def _toxiproxy(port: int, folder: Path) -> AsyncIterator[Server]:
    """Run a server with a proxy `db` for the length of the block."""
    async with _started(spec(port), folder) as server:
        witness(server).create(**DB)
        yield server


@asynccontextmanager
async def _started(how: Spec, folder: Path) -> AsyncIterator[Server]:
    server = Server(how, folder, find_programs()["setpriv"])
    try:
        await server.wait_ready()
        yield server
    finally:
        await server.stop()


def test_a_disk_that_fills_during_the_drill_does_not_lose_the_recording(
    lab: KeptLab, drill_file: Write, tmp_path: Path
) -> None:
    """Its space is reserved before anything is broken; only the reports do not fit."""
    with disk_of(tmp_path / "disk", 40) as disk:
        process = begun(lab, drill_file(), disk / "out", "fault injected")
        (disk / "other").write_bytes(b"x" * (disk_free(disk) - 4096))
        said, _ = process.communicate(timeout=LONGEST_SECONDS)
        (path,) = (disk / "out").glob("*.recording.json.gz")
        assert process.returncode in {0, 2, 3}, said
        assert judge(read_recording(path)).exit_code in {0, 3}
        assert "fault healed" in said


def disk_free(folder: Path) -> int:
    """Return the free bytes of a file system."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_bsize


def test_a_disk_without_the_space_of_a_recording_is_refused_before_anything_is_broken(
    lab: KeptLab, drill_file: Write, tmp_path: Path
) -> None:
    with disk_of(tmp_path / "disk", 4) as disk:
        ended = run_alertdrill("drill", "--config", lab.config, drill_file(), "-o", disk)
    assert ended.returncode == 2
    assert "No space left on device (32 MiB are needed)" in ended.stderr
    assert "fault injected" not in ended.stdout
