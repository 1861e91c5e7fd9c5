from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from benchmarks import peers, runs
from benchmarks.errors import BenchmarkError
from benchmarks.peers import ALERTDRILL, CLIENTS, Job
from benchmarks.reports import SUMMARY
from benchmarks.results import Run
from benchmarks.servers import ROOT, Target

FILES = ROOT / "benchmarks" / "clients"
SAY = """import json, sys
json.dump({"metrics": {"http_reqs": {"count": int(sys.argv[2]), "rate": 1.0}, "http_req_duration": {"med": 1, "p(99)": 2}}},
          open(sys.argv[1], "w"))"""


def job(directory: Path) -> Job:
    return Job("http://127.0.0.1:1", 2000, 20, directory)


def test_every_client_sends_the_same_176_bytes() -> None:
    bodies = [(FILES / f"payment-{number}.json").read_text() for number in (1, 2, 3, 4)]
    probe = yaml.safe_load((FILES / "payment.yml").read_text())["probe"]
    accounts = probe["data"]["account"]["of"]
    assert [probe["body"].replace("{{ account }}", account) for account in accounts] == bodies
    script = (FILES / "payment.js").read_text()
    template = re.search(r"const body = `(.*)`;", script)
    assert template is not None
    assert [template[1].replace("${account}", account) for account in accounts] == bodies
    assert json.loads(script.partition("ACCOUNTS = ")[2].partition(";")[0]) == accounts
    assert {len(body) for body in bodies} == {176}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_command_is_shown_without_the_paths_of_this_machine(name: str, tmp_path: Path) -> None:
    here = job(tmp_path)
    text = peers.readable(CLIENTS[name].command(here), here)
    assert "$URL" in text or "$DIR/targets" in text
    assert str(ROOT) not in text
    assert str(tmp_path) not in text
    assert "127.0.0.1" not in text


def test_hey_shares_the_rate_among_its_workers(tmp_path: Path) -> None:
    command = CLIENTS["hey"].command(job(tmp_path))
    given = {flag: command[command.index(flag) + 1] for flag in ("-c", "-q", "-n")}
    assert given == {"-c": "20", "-q": "100", "-n": "40000"}


def test_a_client_that_is_not_installed_is_named() -> None:
    assert peers.missing(replace(ALERTDRILL, program="no-such-client")) == "no-such-client is not installed"


def test_a_client_that_cannot_run_is_reported_with_the_command_tried() -> None:
    reason = peers.missing(replace(ALERTDRILL, trial=["sh", "-c", "exit 2"]))
    assert reason == "not available: `sh -c 'exit 2'` ended with 2"


def stand_in(count: int) -> peers.Client:
    return replace(ALERTDRILL, command=lambda one: ["python3", "-c", SAY, str(one.directory / SUMMARY), str(count)])


def run(client: peers.Client, directory: Path) -> Run:
    target = Target("http://127.0.0.1:1", directory)
    return runs.run_client(client, runs.job(target, 2000, 20), lambda _elapsed, _kib: None)


def test_a_run_has_the_cpu_time_of_one_transaction(tmp_path: Path) -> None:
    made = run(stand_in(50), tmp_path)
    assert made.figures.transactions == 50
    assert made.cpu_us == pytest.approx(made.usage.cpu_seconds / 50 * 1e6)


def test_a_client_that_sent_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="it sent no transaction"):
        run(stand_in(0), tmp_path)


def test_the_report_of_an_earlier_run_is_not_read(tmp_path: Path) -> None:
    run(stand_in(50), tmp_path)
    silent = replace(ALERTDRILL, command=lambda _job: ["true"])
    with pytest.raises(BenchmarkError, match="its report cannot be read: FileNotFoundError"):
        run(silent, tmp_path)


def test_a_report_of_another_format_is_an_error(tmp_path: Path) -> None:
    other = replace(ALERTDRILL, command=lambda one: ["sh", "-c", f"echo '{{}}' >{one.directory / SUMMARY}"])
    with pytest.raises(BenchmarkError, match="its report cannot be read: KeyError"):
        run(other, tmp_path)
