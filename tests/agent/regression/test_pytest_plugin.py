"""The plugin of pytest, in a pytest of its own."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from tests.support.answering import answering

RULE = {"alert": "Queue", "expr": "queue > 50", "for": "1m", "labels": {"severity": "page"}}
FILE = """\
regress: Queue
rules: rules.yml
recorded: {by: 0.1.0, prometheus: 2.42.0, at: '2026-01-02T03:04:05Z', drill: shop, sha256: abc}
contract: {fires_within: 5m, labels: {severity: page}}
snapshot:
- {labels: {job: shop, severity: page}, pending: 15s, firing: 1m15s, resolved: 5m15s}
fault: {begins: 2m, ends: 7m}
evaluation: 15s
evaluations: 40
scrapes:
- first: 4s
  every: 15s
  series:
    queue{job="shop"}: 10x7 80x19 10x20
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "shop.Queue.regress.yml").write_text(FILE)
    (tmp_path / "other.drill.yml").write_text("drill: other")
    (tmp_path / "test_own.py").write_text("def test_own():\n    pass\n")
    _rules(tmp_path)
    return tmp_path


def _rules(project: Path, **update: str) -> None:
    (project / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [RULE | update]}]}))


def _pytest(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    plugin = "alertdrill.agent.regression.pytest_plugin"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:alertdrill",
        "-p",
        plugin,
        "-v",
        *arguments,
    ]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def test_files_are_tests_only_if_they_are_asked_for(project: Path) -> None:
    assert "1 passed" in _pytest(project).stdout
    ran = _pytest(project, "--alertdrill")
    assert "shop.Queue.regress.yml::Queue PASSED" in ran.stdout
    assert "2 passed" in ran.stdout
    (project / "pytest.ini").write_text("[pytest]\nalertdrill = true\n")
    assert "2 passed" in _pytest(project).stdout


def test_a_contract_that_fails_is_told_without_a_traceback(project: Path) -> None:
    _rules(project, **{"for": "20m"})
    ran = _pytest(project, "--alertdrill")
    assert ran.returncode == 1
    assert "Queue would fire 19m later: 1m15s → 20m15s; contract 5m: fails" in ran.stdout
    assert "rules.yml:4" in ran.stdout
    assert "recorded: pending 15s, firing 1m15s, resolved 5m15s\n" in ran.stdout
    assert "now: pending 15s, resolved 5m15s\n" in ran.stdout
    assert "Traceback" not in ran.stdout
    assert "runtest" not in ran.stdout


def test_an_alert_that_is_silent_now_is_told_beside_what_was_recorded(project: Path) -> None:
    _rules(project, expr="queue > 500")
    assert "now: never active\n" in _pytest(project, "--alertdrill").stdout


def _own(project: Path, body: str) -> None:
    """Write a test of the user's own."""
    (project / "test_own.py").write_text(textwrap.dedent(body))


def test_the_fixture_rules_has_the_files_that_the_setting_names(project: Path) -> None:
    _own(project, """
        def test_own(rules):
            assert [path.name for path in rules] == ["rules.yml", "a.yml", "b.yml"]
            assert all("alert: Queue" in path.read_text() for path in rules)
    """)  # fmt: skip
    (project / "more").mkdir()
    for name in ("b", "a"):
        (project / "more" / f"{name}.yml").write_text((project / "rules.yml").read_text())
    ran = _pytest(project)
    assert "alertdrill_rules: it is not set, expected such as alertdrill_rules = rules.yml" in ran.stdout
    ini = project / "pytest.ini"
    ini.write_text("[pytest]\nalertdrill_rules = rules.yml gone.yml\n")
    assert f"alertdrill_rules: there is no {project}/gone.yml" in _pytest(project).stdout
    ini.write_text("[pytest]\nalertdrill_rules = rules.yml more/*.yml\n")
    assert "1 passed" in _pytest(project).stdout


def test_the_fixture_replay_gives_the_result_of_a_file(project: Path) -> None:
    _own(project, """
        import pytest
        from alertdrill.agent.errors import ConfigError

        def test_own(replay):
            result = replay("shop.Queue.regress.yml")
            assert (result.error, result.failures) == ("", ())
            assert [(one.pending, one.firing) for one in result.snapshot] == [("15s", "1m15s")]
            with pytest.raises(ConfigError, match="cannot be read"):
                replay("gone.regress.yml")
    """)  # fmt: skip
    assert "1 passed" in _pytest(project).stdout
    _rules(project, **{"for": "20m"})
    ran = _pytest(project)
    assert "1 failed" in ran.stdout
    assert "would fire 19m later: 1m15s → 20m15s; contract 5m: fails" in ran.stdout


async def test_a_drill_is_run_only_with_the_option(project: Path) -> None:
    """A drill asks its Prometheus before it breaks anything; this one has none, so the drill has no verdict either."""
    _own(project, """
        def test_own(drill):
            drill("canary.drill.yml", "--config", "agent.yml")
    """)  # fmt: skip
    (project / "canary.drill.yml").write_text(
        "{drill: canary, load: {rate: 1}, faults: [], expect: [{alert: Queue, within: 1m}]}\n"
    )
    async with answering(lambda _: web.Response(status=404)) as server:
        url = server.url
        (project / "agent.yml").write_text(
            f'{{probe: {{kind: http, url: "{url}/"}}, prometheus: {{url: "{url}"}}, alertmanager: {{url: "{url}"}}}}\n'
        )
        ran = await asyncio.to_thread(_pytest, project, "--alertdrill")
        assert "1 passed, 1 skipped" in ran.stdout
        assert server.asked == []
        ran = await asyncio.to_thread(_pytest, project, "--alertdrill", "--alertdrill-live")
        assert "canary.drill.yml: the drill gave no verdict, and ended with exit code 2" in ran.stdout
        assert server.asked


def test_a_wrong_file_fails_its_own_test_with_the_line(project: Path) -> None:
    (project / "shop.Queue.regress.yml").write_text(FILE.replace("evaluations: 40", "evaluations: many"))
    ran = _pytest(project, "--alertdrill")
    assert ran.returncode == 1
    assert "shop.Queue.regress.yml:9: evaluations:" in ran.stdout
    assert "1 failed, 1 passed" in ran.stdout


def test_a_wrong_file_fails_alone(project: Path) -> None:
    (project / "other.Queue.regress.yml").write_text(FILE.replace("evaluations: 40", "evaluations: many"))
    ran = _pytest(project, "--alertdrill")
    assert "1 failed, 2 passed" in ran.stdout
    assert "other.Queue.regress.yml::Queue FAILED" in ran.stdout


def _report(project: Path, workers: int) -> list[str]:
    """Return the JUnit report of a run, case by case, without what is of its time and machine."""
    path = project / f"{workers}.xml"
    _pytest(project, "--alertdrill", "-p", "xdist", "-n", str(workers), f"--junit-xml={path}")
    root = ET.parse(path).getroot()  # noqa: S314 - our own
    for element in root.iter():
        for name in ("time", "timestamp", "hostname"):
            element.attrib.pop(name, None)
        # How workers capture is xdist's own.
        element.text = re.sub(r"\[gw\d+\].*\n", "", element.text or "")
    return sorted(ET.tostring(case, encoding="unicode") for case in root.iter("testcase"))


def test_four_workers_report_what_one_process_does(project: Path) -> None:
    for number in range(3):
        (project / f"more{number}.Queue.regress.yml").write_text(FILE.replace("5m,", f"{3 - number}m,"))
    (project / "odd.Queue.regress.yml").write_text(FILE.replace("rules: rules.yml", "rules: gone.yml"))
    (project / "wrong.Queue.regress.yml").write_text("regress: Queue")
    alone = _report(project, 0)
    assert sum("<failure" in case for case in alone) == 3
    assert len(alone) == 7
    assert _report(project, 4) == alone


def test_collecting_reads_no_file(project: Path) -> None:
    """So two hundred files are collected in less than a second, whatever is in them."""
    for number in range(200):
        (project / f"n{number}.Queue.regress.yml").write_text("no YAML: [")
    ran = _pytest(project, "--alertdrill", "--collect-only", "-q")
    assert "202 tests collected" in ran.stdout


def test_the_plugin_imports_nothing_heavy() -> None:
    """It is loaded in every run of pytest; pytest itself is there already."""
    code = """
        import sys, pytest
        before = set(sys.modules)
        import alertdrill.agent.regression.pytest_plugin
        print(*sorted(set(sys.modules) - before))
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert ran.stdout.split() == [
        "alertdrill",
        "alertdrill.agent",
        "alertdrill.agent.regression",
        "alertdrill.agent.regression.pytest_plugin",
    ]
