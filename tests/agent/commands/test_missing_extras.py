"""Where an extra is not installed, a command that needs it says so in one line, and ends with exit code 2."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from alertdrill.chaos.fault import Fault
from alertdrill.chaos.postgres.fault import Postgres
from alertdrill.chaos.redis.fault import Redis
from alertdrill.chaos.registry import injection_class
from alertdrill.chaos.safety.entry import Entry
from alertdrill.chaos.safety.ledger import Ledger

ROOT = Path(__file__).parents[3]
RECORDING = ROOT / "tests" / "recordings" / "inconclusive.recording.json.gz"
WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
del sys.argv[1]
from alertdrill.agent.cli import main
main()
"""
PROBE = "probe: {kind: tcp, name: port, url: 'tcp://127.0.0.1:9'}\n"
LOAD = PROBE + "load: {rate: 5, duration: 1s}\n"
FAULTS = {
    "redis": "{kind: redis, action: flush, url: 'redis://redis:6379/0', allow: 'flush redis:6379', at: 0s, lasts: 1m}",
    "asyncpg": "{kind: postgres, action: fill_pool, url: 'postgresql://a@db:5432/a', connections: 5, at: 0s, lasts: 1m}",
    "kubernetes_asyncio": "{kind: kill_pods, namespace: shop, selector: app=engine, at: 0s}",
}


def without(module: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder of its own, as if a library were not installed."""
    command = [sys.executable, "-c", WITHOUT, module, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [
        ("lab", "toxiproxy", "lab"),
        ("lab", "aiokafka", "lab"),
        ("drill database-latency --lab", "asyncpg", "lab"),
        ("drill database-latency control --lab --parallel 2", "toxiproxy", "lab"),
        ("probe payment --lab", "toxiproxy", "lab"),
        ("kpi --lab", "redis", "lab"),
        ("kpi --lab --format html", "jinja2", "report"),
        (f"review {RECORDING.parent} --format html", "jinja2", "report"),
        ("import-k6 test.js", "tree_sitter", "import-k6"),
    ],
)
def test_one_line_says_what_to_install(tmp_path: Path, command: str, module: str, extra: str) -> None:
    (tmp_path / "test.js").write_text("export default function () {}\n")
    ended = without(module, tmp_path, *command.split())
    line = f"alertdrill: the library {module} is not installed: pip install 'alertdrill[{extra}]'\n"
    assert (ended.returncode, ended.stderr) == (2, line)


def test_a_page_of_a_load_is_refused_before_the_load(tmp_path: Path) -> None:
    (tmp_path / "load.yml").write_text(LOAD)
    ended = without("jinja2", tmp_path, "probe", "load.yml", "--html", "load.html")
    line = "alertdrill: --html: the library jinja2 is not installed: pip install 'alertdrill[report]'\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", line)


@pytest.mark.parametrize("module", ["jinja2", "junitparser"])
def test_reports_without_an_extra_are_still_written(tmp_path: Path, module: str) -> None:
    ended = without(module, tmp_path, "report", str(RECORDING), "--output", "reports")
    line = f"alertdrill: the library {module} is not installed: pip install 'alertdrill[report]'\n"
    assert (ended.returncode, ended.stderr) == (2, line)
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["inconclusive.json"]


def test_a_drill_names_the_reports_it_will_lack_and_goes_on(tmp_path: Path) -> None:
    """Here it ends at its configuration, which is not there."""
    ended = without("jinja2", tmp_path, "drill", "drill.yml")
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[0] == (
        "alertdrill: only JSON reports will be written: the library jinja2 is not installed:"
        " pip install 'alertdrill[report]'"
    )
    assert "configs/agent.yml: cannot be read" in ended.stderr


@pytest.mark.parametrize("module", FAULTS)
def test_a_fault_is_refused_with_the_line_of_its_file(tmp_path: Path, module: str) -> None:
    extra = {"asyncpg": "postgres", "kubernetes_asyncio": "kubernetes"}.get(module, module)
    (tmp_path / "drill.yml").write_text(f"drill: x\nload: {{rate: 5}}\nbaseline: 1m\nfaults:\n  - {FAULTS[module]}\n")
    ended = without(module, tmp_path, "check", "drill.yml")
    line = f"the library {module} is not installed: pip install 'alertdrill[{extra}]'"
    assert (ended.returncode, ended.stderr) == (2, f"drill.yml:5: faults[0]: {line}\n")


@pytest.mark.parametrize(
    ("module", "extra", "fault"),
    [
        ("redis", "redis", Redis(url="redis://127.0.0.1:1/0", action="fill", mebibytes=1)),
        ("asyncpg", "postgres", Postgres(url="postgresql://a@127.0.0.1:1/a", action="fill_pool", connections=1)),
    ],
)
def test_a_fault_that_cannot_be_undone_says_what_to_install(
    tmp_path: Path, module: str, extra: str, fault: Fault
) -> None:
    """The agent that injected it had the library."""
    ledger = Ledger(tmp_path / "ledger", "drill")
    own = {"name": "left", "words": fault.target, "server_name": "there", "password_file": None, "may_evict": False}
    injection = injection_class(fault.kind).model_construct(**dict(fault) | own)
    entry = Entry.of(fault, injection, "drill")
    owner = replace(entry.owner, started=entry.owner.started - 1)
    ledger.write(ledger.new_id(), entry.model_copy(update={"owner": owner}))
    url = "{url: 'http://127.0.0.1:1'}"
    servers = f"prometheus: {url}\nalertmanager: {url}\ntoxiproxy: {url}\n"
    (tmp_path / "agent.yml").write_text(f"ledger: {ledger.directory}\n{servers}{PROBE}")
    ended = without(module, tmp_path, "heal", "--config", "agent.yml")
    assert ended.returncode == 4
    assert f": the library {module} is not installed: pip install 'alertdrill[{extra}]'" in ended.stderr


def test_a_schedule_with_calendars_needs_their_extra(tmp_path: Path) -> None:
    servers = "".join(
        f"{name}: {{url: 'http://127.0.0.1:1'}}\n" for name in ("prometheus", "alertmanager", "toxiproxy")
    )
    (tmp_path / "days.ics").write_text("BEGIN:VCALENDAR\nEND:VCALENDAR\n")
    (tmp_path / "agent.yml").write_text(f"{PROBE}{servers}schedule: {{time_zone: UTC, calendars: [days.ics]}}\n")
    ended = without("icalendar", tmp_path, "schedule", "--config", "agent.yml")
    assert ended.returncode == 2
    assert ended.stderr == ("alertdrill: the library icalendar is not installed: pip install 'alertdrill[calendars]'\n")
