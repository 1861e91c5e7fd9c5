"""Drills on real servers that do not come to their end: each leaves a recording and a verdict, and undoes its fault."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from alertdrill.agent.recording.recording import read_recording
from alertdrill.agent.verdict.judge import judge
from alertdrill.lab.ports import free_ports
from alertdrill.lab.programs import find_programs
from alertdrill.lab.server import Server
from tests.integration.conftest import KeptLab, run_alertdrill
from tests.integration.drilling import changed, start, until_quiet, verdicts, wait_for
from tests.support.toxiproxy_server import spec, witness
from tests.support.waiting import until

Write = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("quiet")


def _recorded(folder: Path) -> str:
    """Return why the drill ended early; its recording is inconclusive, and so are its reports."""
    (path,) = folder.glob("*.recording.json.gz")
    recording = read_recording(path)
    assert judge(recording).exit_code == 3
    assert [one["outcome"] for one in verdicts(folder)["verdicts"]] == ["inconclusive"]
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
    process = start(lab.config, drill_file(), tmp_path)
    wait_for(process, says)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert "interrupted; every fault was undone" in said
    assert _recorded(tmp_path) == f"it was interrupted in the {phase} phase"
    assert lab.toxic_names() == []
    until_quiet(lab)


async def test_a_fault_that_cannot_be_undone_leaves_a_recording_beside_exit_code_4(
    lab: KeptLab, drill_file: Write, tmp_path: Path
) -> None:
    """Toxiproxy ends while the fault is in force; when it is back, the watchdog undoes the fault."""
    ledger, port = tmp_path / "ledger", free_ports(1)[0]
    config = changed(lab, tmp_path, toxiproxy={"url": f"http://127.0.0.1:{port}"}, ledger=str(ledger))
    latency = {"kind": "latency", "proxy": "db", "latency": "1s", "at_most": "5m"}
    drill = drill_file(faults=[latency], load={"rate": 20})
    async with _toxiproxy(port, tmp_path):
        process = start(config, drill, tmp_path / "out")
        await asyncio.to_thread(wait_for, process, "fault injected")
    process.send_signal(signal.SIGINT)
    said, _ = await asyncio.to_thread(process.communicate, timeout=300)
    assert process.returncode == 4, said
    assert "Traceback" not in said
    assert "fault NOT healed: latency on proxy db" in said
    assert _recorded(tmp_path / "out").startswith("a fault could not be undone (")
    async with _toxiproxy(port, tmp_path):
        await until(lambda: asyncio.to_thread(_is_empty, ledger), "the watchdog undoes the fault")
    await asyncio.to_thread(until_quiet, lab)


def _is_empty(ledger: Path) -> bool:
    return not list(ledger.glob("*.json"))


@asynccontextmanager
async def _toxiproxy(port: int, folder: Path) -> AsyncIterator[None]:
    """Run a server with a proxy `db` for the length of the block."""
    server = Server(spec(port), folder, find_programs()["setpriv"])
    try:
        await server.wait_ready()
        witness(server).create(name="db", listen="127.0.0.1:0", upstream="127.0.0.1:1", enabled=True)
        yield
    finally:
        await server.stop()


def test_a_disk_that_fills_during_the_drill_does_not_lose_the_recording(
    lab: KeptLab, drill_file: Write, tmp_path: Path
) -> None:
    """Its space is reserved before anything is broken; only the reports do not fit."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        process = start(lab.config, drill_file(), disk / "out")
        wait_for(process, "fault injected")
        (disk / "other").write_bytes(b"x" * (disk_free(disk) - 4096))
        said, _ = process.communicate(timeout=300)
        (path,) = (disk / "out").glob("*.recording.json.gz")
        assert process.returncode in {0, 2, 3}, said
        assert judge(read_recording(path)).exit_code in {0, 3}
        assert "fault healed" in said
    finally:
        subprocess.run(["umount", disk], check=True)


def disk_free(folder: Path) -> int:
    """Return the free bytes of a file system."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_bsize


def test_a_disk_without_the_space_of_a_recording_is_refused_before_anything_is_broken(
    lab: KeptLab, drill_file: Write, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        ended = run_alertdrill("drill", "--config", lab.config, drill_file(), "-o", disk)
    finally:
        subprocess.run(["umount", disk], check=True)
    assert ended.returncode == 2
    assert "No space left on device (32 MiB are needed)" in ended.stderr
    assert "fault injected" not in ended.stdout
