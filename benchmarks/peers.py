"""The clients: how each is started, how it tells its version, and how its report is read."""

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
    """What a client has to do: `rate` transactions a second for some seconds, its files in a folder."""

    url: str
    rate: int
    seconds: int
    directory: Path


@dataclass(frozen=True)
class Client:
    """One program of the comparison, and the commands that load, tell its version, and tell that it can load."""

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
    # No usage report and no control port: what is measured is the load alone.
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
    """Ask Go which version of a module it built: not every program knows its own."""
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
    """Tell why a client cannot take part; None when it can."""
    if shutil.which(client.program) is None:
        return f"{Path(client.program).name} is not installed"
    if client.trial and (ended := _run(client.trial)).returncode != 0:
        return f"not available: `{readable(client.trial)}` ended with {ended.returncode}"
    return None


def version(client: Client) -> str:
    """Tell a client's version."""
    if shutil.which(client.version[0]) is None:
        return "unknown: there is no Go to ask"
    words = [line.split() for line in _run(client.version).stdout.splitlines()]
    # Of the lines that Go tells, the one of the program's own module: mod, path, version, checksum.
    modules = [line[2] for line in words if line[0] == "mod"]
    return modules[0] if modules else words[0][-1]


def readable(command: list[str], job: Job | None = None) -> str:
    """Spell a command as one would type it in the repository's root, with names for what differs from run to run."""
    text = shlex.join(command).replace(sys.executable, "python").replace(f"{_BIN}/", "").replace(f"{ROOT}/", "")
    return text.replace(job.url, "$URL").replace(str(job.directory), "$DIR") if job else text


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
