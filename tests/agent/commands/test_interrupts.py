"""Every command ends at once on Ctrl-C and SIGTERM, also while it computes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.servers
ROOT = Path(__file__).parents[3]
_SLEEPS_SECONDS = 3.0
# Each takes far longer than the test: a file is read for as long as nobody writes it.
COMMANDS = {
    "check": ["check", "BIG"],
    "explain": ["explain", "BIG"],
    "explain one": ["explain", "BIG", "--rule", "A7"],
    "explain beside": ["explain", "SMALL", "--prometheus", "BIG"],
    "drill": ["drill", "BIG", "--config", "AGENT"],
    "probe": ["probe", "BIG", "--duration", "1s"],
    "kpi": ["kpi", "--kpis", "BIG", "--config", "AGENT"],
    "heal": ["heal", "--config", "BIG"],
    "status": ["status", "--config", "BIG"],
    "lab": ["lab", "--config", "BIG"],
    "review": ["review", "FOLDER"],
    "import-k6": ["import-k6", "PIPE"],
    "judge": ["judge", "PIPE"],
    "report": ["report", "PIPE"],
}


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("big")
    rule = "  - {{alert: A{0}, expr: 'sum by (job) (rate(a{{n=\"{0}\"}}[5m])) > {0}', for: 5m, labels: {{severity: page}}}}\n"
    rules = "".join(rule.format(number) for number in range(45_000))
    (folder / "big.yml").write_text(f"groups:\n- name: g\n  rules:\n{rules}")
    (folder / "small.yml").write_text("groups: []\n")
    os.mkfifo(folder / "pipe")
    (folder / "recordings").mkdir()
    os.mkfifo(folder / "recordings/a.recording.json.gz")
    return {
        "BIG": str(folder / "big.yml"),
        "SMALL": str(folder / "small.yml"),
        "FOLDER": str(folder / "recordings"),
        "PIPE": str(folder / "pipe"),
        "AGENT": str(ROOT / "configs/agent.yml"),
    }


@pytest.fixture(scope="session")
def start_cpu_seconds(files: dict[str, str]) -> float:
    """Measure what the longest start costs on this machine: all commands read files only after it."""
    before = os.times()
    subprocess.run([sys.executable, "-m", "alertdrill", "status", "--config", files["SMALL"]], check=False)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def cpu_seconds(pid: int) -> float:
    user, system = of_stat(pid)[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def of_stat(pid: int) -> list[str]:
    """Return the fields of a process from its state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def until_it_computes_or_waits(process: subprocess.Popen[bytes], started_seconds: float) -> None:
    """Wait until a command has used so much of the processor, or sleeps all the time, as one that waits for a file does.

    On a busy machine a command that starts is ready to run and does not: that is no sleep.
    """
    slept_since, deadline = time.monotonic(), time.monotonic() + 300
    while process.poll() is None and cpu_seconds(process.pid) < started_seconds:
        now = time.monotonic()
        assert now < deadline
        if of_stat(process.pid)[0] != "S":
            slept_since = now
        if now - slept_since > _SLEEPS_SECONDS:
            break
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("arguments", "number"),
    [(arguments, signal.SIGINT) for arguments in COMMANDS.values()]
    + [(COMMANDS[name], signal.SIGTERM) for name in ("check", "explain", "drill", "judge")],
    ids=[*COMMANDS, "check, SIGTERM", "explain, SIGTERM", "drill, SIGTERM", "judge, SIGTERM"],
)
def test_a_signal_ends_a_command_that_computes(
    files: dict[str, str], start_cpu_seconds: float, tmp_path: Path, arguments: list[str], number: signal.Signals
) -> None:
    # The tests may run in the background of a shell, which ignores SIGINT for itself and for all that it starts.
    program = ["env", "--default-signal=INT", sys.executable, "-m", "alertdrill"]
    command = [*program, *(files.get(one, one) for one in arguments)]
    with (tmp_path / "printed").open("w") as printed, (tmp_path / "told").open("w") as told:
        process = subprocess.Popen(command, stdout=printed, stderr=told, cwd=tmp_path, start_new_session=True)
    # After its start it computes for three times as long, or waits for a file.
    until_it_computes_or_waits(process, 1.8 * start_cpu_seconds)
    assert process.poll() is None, (tmp_path / "told").read_text()
    before = cpu_seconds(process.pid)
    process.send_signal(number)
    deadline = time.monotonic() + 300
    while process.poll() is None and cpu_seconds(process.pid) - before < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    ended = process.poll()
    process.kill()
    process.wait()
    assert ended == 130
    assert re.fullmatch(r"alertdrill: interrupted(; every fault was undone)?\n", (tmp_path / "told").read_text())
