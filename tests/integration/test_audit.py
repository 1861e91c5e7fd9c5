"""After a load on a lab of its own, every acknowledged transaction is looked up in PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
import yaml

from tests.integration.conftest import ALERTDRILL, LONGEST_SECONDS, ROOT, KeptLab, ended_by_no_alert

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Write = Callable[..., Path]
LAB_LOAD = ["--lab", "--rate", "100", "--no-color"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder in which the lab makes its own; PostgreSQL, which is another user, must pass through it."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o711)
        yield Path(made)


@pytest.fixture
def payment(tmp_path: Path) -> Path:
    """The shipped probe, without thresholds that a busy machine crosses."""
    values = yaml.safe_load((ROOT / "configs/probes/payment.yml").read_text())
    path = tmp_path / "payment.yml"
    path.write_text(yaml.safe_dump({"probe": values["probe"]}, sort_keys=False))
    return path


def _first_id(folder: Path, process: subprocess.Popen[str]) -> str:
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for file in folder.glob("alertdrill-lab-*/acknowledged.txt"):
            first, end, _ = file.read_text().partition("\n")
            if end:
                return first
        time.sleep(0.05)  # another process writes it; nothing tells us when
    raise AssertionError("nothing was acknowledged")


def _forget(folder: Path, key: str) -> str:
    """Delete an entry behind the engine's back, and tell what PostgreSQL says of it."""
    (postgres,) = folder.glob("alertdrill-lab-*/postgres")
    port = int((postgres / "data/postmaster.pid").read_text().splitlines()[3])
    return asyncio.run(_delete(port, (postgres / "password").read_text(), key))


async def _delete(port: int, password: str, key: str) -> str:
    connection = await asyncpg.connect(host="127.0.0.1", port=port, user="postgres", password=password)
    try:
        return str(await connection.execute("DELETE FROM payments WHERE idempotency_key = $1", key))
    finally:
        await connection.close()


@pytest.mark.usefixtures("few_connections")
def test_a_payment_missing_from_the_payments_table_is_named_and_fails_the_load(folder: Path, payment: Path) -> None:
    process = subprocess.Popen(
        [*ALERTDRILL, "probe", str(payment), *LAB_LOAD, "--duration", "15s"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TMPDIR": str(folder)},
    )
    key = _first_id(folder, process)
    assert _forget(folder, key) == "DELETE 1"
    said, _ = process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode == 1, said
    last = said.splitlines()[-1]
    assert re.fullmatch(rf"audit: failed: 1 of [\d,]+ acknowledged transactions not in the payments table: {key}", last)


@pytest.mark.usefixtures("few_connections")
def test_every_acknowledged_payment_is_in_the_payments_table(alertdrill: Run, payment: Path, tmp_path: Path) -> None:
    """With two workers, whose ids come together in one file."""
    kept, summary = tmp_path / "ids.txt", tmp_path / "summary.json"
    files = ["--acknowledged", kept, "--summary-export", summary]
    ended = alertdrill("probe", payment, *LAB_LOAD, "--duration", "4s", "--workers", 2, *files)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    ids = kept.read_text().splitlines()
    assert len(set(ids)) == len(ids) == json.loads(summary.read_text())["metrics"]["iterations"]["count"] == 400
    told = "audit: 400 acknowledged transactions, all in the payments table exactly once; money conserved"
    assert ended.stdout.splitlines()[-1] == told


def test_the_payments_of_a_drill_on_its_own_lab_are_audited(alertdrill: Run, drill_file: Write, tmp_path: Path) -> None:
    """The latency of the fault leaves transactions without an answer at the end; those were not acknowledged."""
    # One minute divided by 60 is shorter than the fault's latency, in which nothing is processed.
    drill = drill_file(**ended_by_no_alert("12m"), load={"rate": 100})
    ended = alertdrill("drill", drill, "--lab", "--time-scale", "60", "-o", tmp_path / "out")
    (path,) = [path for path in (tmp_path / "out").glob("*.json") if ".recording" not in path.name]
    report = json.loads(path.read_text())
    assert report["audit"]["passed"] is True, ended.stdout + ended.stderr
    # A busy machine may be late with many; those of a second are enough to be audited.
    assert report["audit"]["acknowledged"] >= 100
    assert report["audit"]["acknowledged"] == report["audit"]["found"] == report["load"]["succeeded"]
    told = f"audit: {report['load']['succeeded']:,} acknowledged transactions, all in the payments table exactly once;"
    assert told in ended.stdout


def test_on_ones_own_servers_the_ids_are_kept_and_nothing_is_audited(
    lab: KeptLab, alertdrill: Run, tmp_path: Path
) -> None:
    probe, kept = tmp_path / "probe.yml", tmp_path / "ids.txt"
    probe.write_text(yaml.safe_dump({"probe": lab.settings()["probe"]}))
    ended = alertdrill("probe", probe, "--rate", "50", "--duration", "2s", "--acknowledged", kept)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(kept.read_text().splitlines()) == 100
    assert ended.stdout.splitlines()[-1] == f"acknowledged: 100 ids in {kept}"
    assert "audit" not in ended.stdout
