"""Guards on real servers: what refuses a drill before its fault, and what ends it after."""

from __future__ import annotations

import json
import subprocess
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alertdrill.agent.errors import INCONCLUSIVE
from tests.integration.conftest import LONGEST_SECONDS, KeptLab, ended_by_no_alert
from tests.integration.drilling import call, changed, start, until_quiet, verdicts, wait_for

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Write = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("quiet")


def silences(lab: KeptLab) -> list[dict[str, Any]]:
    url = f"{lab.settings()['alertmanager']['url']}/api/v2/silences"  # type: ignore[index]
    return [one for one in call(url) if one["status"]["state"] == "active"]


@pytest.mark.parametrize(
    ("guards", "message"),
    [
        ({"forbidden": ["proxy postgres*"]}, "proxy postgres (downstream) is forbidden by guards.forbidden"),
        ({"allowed": ["proxy redis*"]}, "proxy postgres (downstream) is in none of guards.allowed: 'proxy redis*'"),
        ({"blackouts": [{"begin": "2020-01-01", "end": "2120-01-01", "why": "a long sale"}]}, "a long sale"),
        ({"hours": {"time_zone": "UTC", "days": []}}, "and drills run 00:00-00:00 on"),
    ],
)
def test_a_drill_that_is_not_allowed_is_refused_before_anything_is_broken(  # noqa: PLR0913, PLR0917 - fixtures
    lab: KeptLab, alertdrill: Run, drill_file: Write, tmp_path: Path, guards: dict[str, object], message: str
) -> None:
    config = changed(lab, tmp_path, guards=guards)
    ended = alertdrill("drill", "--config", config, drill_file(), "-o", tmp_path / "out")
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert message in ended.stderr
    assert "fault injected" not in ended.stdout


def test_a_kill_switch_ends_a_drill_and_refuses_the_next(
    lab: KeptLab, alertdrill: Run, drill_file: Write, tmp_path: Path
) -> None:
    switch, output = tmp_path / "stop", tmp_path / "out"
    config = changed(lab, tmp_path, guards={"kill_switch": str(switch)})
    process = start(config, drill_file(**ended_by_no_alert()), output)
    wait_for(process, "fault injected")
    assert len(lab.toxic_names()) == 1
    switch.touch()
    printed, _ = process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode == 3, printed
    assert lab.toxic_names() == []
    assert f"the kill switch {switch} is there" in verdicts(output)["verdicts"][0]["reason"]
    refused = alertdrill("drill", "--config", config, drill_file(), "-o", output)
    assert refused.returncode == 2
    assert f"the kill switch {switch} is there: remove it to drill" in refused.stderr


def test_a_drill_is_stopped_over_http_with_a_reason(lab: KeptLab, drill_file: Write, tmp_path: Path) -> None:
    process = start(lab.config, drill_file(**ended_by_no_alert()), tmp_path)
    wait_for(process, "fault injected")
    url = f"http://{lab.settings()['listen']}/-/stop"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        call(url, "POST", b"a stranger calls")
    token = str(lab.settings()["webhook_token"])
    assert call(url, "POST", b"customers\ncall", token) == "stopping: undoing what is broken\n"
    printed, _ = process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode == 3, printed
    assert lab.toxic_names() == []
    assert "stopped by POST /-/stop from 127.0.0.1: customers call" in verdicts(tmp_path)["verdicts"][0]["reason"]


def test_a_load_that_fails_too_often_ends_the_drill(lab: KeptLab, drill_file: Write, tmp_path: Path) -> None:
    drill = drill_file(
        **ended_by_no_alert(),
        faults=[{"kind": "reset_peer", "proxy": "postgres", "toxicity": 1.0}],
        abort_unless={"http_req_failed": ["rate<0.02"]},
    )
    process = start(lab.config, drill, tmp_path)
    printed, _ = process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode == 3, printed
    assert lab.toxic_names() == []
    assert "threshold rate<0.02 on http_req_failed was crossed" in verdicts(tmp_path)["verdicts"][0]["reason"]


def test_a_second_drill_on_the_same_target_is_refused_at_once(
    lab: KeptLab, alertdrill: Run, drill_file: Write, tmp_path: Path
) -> None:
    process = start(lab.config, drill_file(**ended_by_no_alert()), tmp_path)
    wait_for(process, "baseline begins")
    refused = alertdrill("drill", "--config", lab.config, drill_file(), "-o", tmp_path)
    process.terminate()
    process.communicate(timeout=LONGEST_SECONDS)
    assert refused.returncode == 2
    assert f"drill database-latency of process {process.pid} drills" in refused.stderr


def test_a_dry_run_finds_every_target_and_breaks_nothing(
    lab: KeptLab, alertdrill: Run, drill_file: Write, tmp_path: Path
) -> None:
    faults = [
        {"kind": "latency", "proxy": "redis", "latency": "1s", "at": "1m", "lasts": "1m"},
        {"kind": "latency", "proxy": "postgres", "latency": "3s", "ramp": {"steps": 3, "over": "30s"}},
    ]
    ended = alertdrill(
        "drill",
        "--config",
        lab.config,
        "--dry-run",
        drill_file(**ended_by_no_alert(), faults=faults),
        "-o",
        tmp_path / "out",
    )
    assert ended.returncode == 0, ended.stderr
    rows = [line for line in ended.stdout.splitlines() if "proxy" in line]
    assert ["redis" in row for row in rows] == [False, False, False, True]
    assert "nothing was broken" in ended.stdout
    assert lab.toxic_names() == []
    wrong = alertdrill("drill", "--config", lab.config, "--dry-run", drill_file(faults=[faults[0] | {"proxy": "rdis"}]))
    assert wrong.returncode == 2
    assert "has no proxy 'rdis', expected one of: postgres, redis" in wrong.stderr


def test_a_latency_grows_in_steps_and_all_of_them_are_undone(lab: KeptLab, drill_file: Write, tmp_path: Path) -> None:
    grows = {"kind": "latency", "proxy": "redis", "latency": "30ms", "ramp": {"steps": 3, "over": "30s"}}
    process = start(lab.config, drill_file(**ended_by_no_alert("10m"), faults=[grows]), tmp_path)
    for _ in range(3):
        wait_for(process, "fault injected")
    assert len(lab.toxic_names()) == 3
    process.communicate(timeout=LONGEST_SECONDS)
    assert lab.toxic_names() == []


def test_a_fault_repeats(lab: KeptLab, drill_file: Write, tmp_path: Path) -> None:
    again = {
        "kind": "latency",
        "proxy": "redis",
        "latency": "1ms",
        "lasts": "10s",
        "repeat": {"times": 3, "every": "20s"},
    }
    process = start(lab.config, drill_file(**ended_by_no_alert("3m"), faults=[again]), tmp_path)
    printed, _ = process.communicate(timeout=LONGEST_SECONDS)
    assert printed.count("fault injected") == printed.count("fault healed") == 3
    assert lab.toxic_names() == []


def test_other_alerts_are_silenced_with_an_author_and_an_end_while_the_drill_runs(
    lab: KeptLab, drill_file: Write, tmp_path: Path
) -> None:
    before = silences(lab)
    for _ in range(3):  # the machine can spoil a drill, which is then inconclusive
        process = start(lab.config, drill_file(silence_others=True), tmp_path)
        wait_for(process, "baseline begins")
        (set_here,) = [one for one in silences(lab) if one not in before]  # it is set before the first phase begins
        printed, _ = process.communicate(timeout=LONGEST_SECONDS)
        assert silences(lab) == before
        if process.returncode != INCONCLUSIVE:
            break
        until_quiet(lab)
    assert process.returncode == 0, printed
    assert set_here["createdBy"] == "alertdrill"
    assert set_here["comment"] == "drill database-latency is running"
    assert set_here["matchers"] == [
        {"isEqual": False, "isRegex": True, "name": "alertname", "value": "HighResponseTime"}
    ]


def test_a_silence_by_an_unknown_author_keeps_the_drill_from_breaking_anything(
    lab: KeptLab, drill_file: Write, tmp_path: Path
) -> None:
    url = f"{lab.settings()['alertmanager']['url']}/api/v2/silences"  # type: ignore[index]
    theirs = {
        "matchers": [{"name": "alertname", "value": "SystemDown", "isRegex": False, "isEqual": True}],
        "startsAt": "2020-01-01T00:00:00Z",
        "endsAt": "2120-01-01T00:00:00Z",
        "createdBy": "operations",
        "comment": "we migrate",
    }
    silence_id = call(url, "POST", json.dumps(theirs).encode())["silenceID"]
    try:
        config = changed(lab, tmp_path, guards={"known_silences": ["alertdrill"]})
        process = start(config, drill_file(**ended_by_no_alert()), tmp_path / "out")
        printed, _ = process.communicate(timeout=LONGEST_SECONDS)
    finally:
        call(url.removesuffix("s") + f"/{silence_id}", "DELETE")
    assert process.returncode == 3, printed
    reason = verdicts(tmp_path / "out")["verdicts"][0]["reason"]
    assert "nothing was broken, because operations has set a silence: we migrate" in reason
    assert "fault injected" not in printed
