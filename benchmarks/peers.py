"""The clients: how to start each one, get its version, and read its report."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.reports import SUMMARY, Figures, read_hey, read_summary, read_vegeta
from benchmarks.servers import ROOT

_BIN = ROOT / ".venv" / "bench-bin"
_CLIENTS = "benchmarks/clients"
_PATH = "/api/v1/transactions"
_HEY_WORKERS = 20
_BEARER = "Authorization: Bearer test-token"


@dataclass(frozen=True)
class Job:
    """A client's task: `rate` transactions a second for some seconds, with a folder for its files."""

    url: str
    rate: int
    seconds: int
    directory: Path


@dataclass(frozen=True)
class Client:
    """One program of the comparison, with the commands that run the load, print its version, and try whether it runs."""

    program: str
    command: Callable[[Job], list[str]]
    read: Callable[[Path], Figures]
    version: list[str]
    note: str
    trial: list[str] = field(default_factory=list)


def _alertdrill(job: Job) -> list[str]:
    load = ["--rate", str(job.rate), "--duration", f"{job.seconds}s"]
    command = [sys.executable, "-m", "alertdrill", "probe", f"{_CLIENTS}/payment.yml", *load]
    return ["env", f"BENCH_URL={job.url}", *command, "--summary-export", str(job.directory / SUMMARY)]


def _k6(job: Job, *, discard: bool = False) -> list[str]:
    # No usage report and no control port, so that only the load is measured.
    quiet = ["--quiet", "--no-usage-report", "--address", ""]
    summary = ["--summary-export", str(job.directory / SUMMARY), "--summary-trend-stats", "med,p(99)"]
    values = {"BENCH_URL": job.url, "RATE": job.rate, "DURATION": f"{job.seconds}s", "DISCARD": str(discard).lower()}
    given = [part for name, value in values.items() for part in ("-e", f"{name}={value}")]
    return [str(_BIN / "k6"), "run", *quiet, *summary, *given, f"{_CLIENTS}/payment.js"]


def _vegeta(job: Job) -> list[str]:
    headers = f"Content-Type: application/json\n{_BEARER}"
    bodies = [f"{_CLIENTS}/payment-{number}.json" for number in (1, 2, 3, 4)]
    targets = job.directory / "targets"
    targets.write_text("\n\n".join(f"POST {job.url}{_PATH}\n{headers}\n@{body}" for body in bodies), encoding="ascii")
    vegeta = shlex.quote(str(_BIN / "vegeta"))
    attack = f"{vegeta} attack -rate {job.rate} -duration {job.seconds}s -targets {shlex.quote(str(targets))}"
    return ["sh", "-c", f"{attack} | {vegeta} report -type json"]


def _hey(job: Job) -> list[str]:
    each = job.rate // _HEY_WORKERS
    load = ["-c", str(_HEY_WORKERS), "-q", str(each), "-n", str(each * _HEY_WORKERS * job.seconds)]
    request = ["-m", "POST", "-H", _BEARER, "-T", "application/json", "-D", f"{_CLIENTS}/payment-1.json"]
    return [str(_BIN / "hey"), *load, *request, job.url + _PATH]


def _built(program: str) -> list[str]:
    """Return the command that shows the version of a built Go program; not every program prints its own."""
    return ["go", "version", "-m", str(_BIN / program)]


ALERTDRILL = Client(
    program=sys.executable,
    command=_alertdrill,
    read=read_summary,
    version=[sys.executable, "-m", "alertdrill", "--version"],
    note="open loop; template data, two checks, HDR histograms",
    trial=[sys.executable, "-m", "alertdrill", "probe", "--help"],
)

CLIENTS = {
    "alertdrill": ALERTDRILL,
    "k6": Client(
        program=str(_BIN / "k6"),
        command=_k6,
        read=read_summary,
        version=_built("k6"),
        note="open loop, constant-arrival-rate; template data, two checks",
    ),
    "k6, bodies discarded": Client(
        program=str(_BIN / "k6"),
        command=lambda job: _k6(job, discard=True),
        read=read_summary,
        version=_built("k6"),
        note="the same with discardResponseBodies",
    ),
    "vegeta": Client(
        program=str(_BIN / "vegeta"),
        command=_vegeta,
        read=read_vegeta,
        version=_built("vegeta"),
        note="open loop; four fixed bodies in turn, no checks but the status codes; its report's CPU is included",
    ),
    "hey": Client(
        program=str(_BIN / "hey"),
        command=_hey,
        read=read_hey,
        version=_built("hey"),
        note=f"closed loop: {_HEY_WORKERS} workers that each wait for their answer; one fixed body, no checks",
    ),
}


def missing(client: Client) -> str | None:
    """Return why a client cannot take part; None if it can."""
    if shutil.which(client.program) is None:
        return f"{Path(client.program).name} is not installed"
    if client.trial and (ended := _run(client.trial)).returncode != 0:
        return f"not available: `{readable(client.trial)}` ended with {ended.returncode}"
    return None


def version(client: Client) -> str:
    """Return a client's version."""
    if shutil.which(client.version[0]) is None:
        return "unknown: Go is not installed"
    words = [line.split() for line in _run(client.version).stdout.splitlines()]
    # The line of the program's own module: mod, path, version, checksum.
    modules = [line[2] for line in words if line[0] == "mod"]
    return modules[0] if modules else words[0][-1]


def readable(command: list[str], job: Job | None = None) -> str:
    """Format a command as typed in the repository's root, with $URL and $DIR for the parts that differ between runs."""
    text = shlex.join(command).replace(sys.executable, "python").replace(f"{_BIN}/", "").replace(f"{ROOT}/", "")
    return text.replace(job.url, "$URL").replace(str(job.directory), "$DIR") if job else text


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
