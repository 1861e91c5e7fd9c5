from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from alertdrill.agent.cli import app
from alertdrill.agent.config.agent import as_yaml, read_agent_config
from alertdrill.agent.config.daemon import SteadyLoad
from alertdrill.agent.config.drill import DrillLoad

AGENT = """\
probe: {kind: tcp, url: "tcp://127.0.0.1:1", timeout: 1s}
prometheus: {url: "http://127.0.0.1:1"}
alertmanager: {url: "http://127.0.0.1:1"}
toxiproxy: {url: "http://127.0.0.1:1"}
schedule:
"""
DRILL = "drill: {name}\nload: {{rate: 1}}\nexpect: [{{alert: Down}}]\n"


def written(folder: Path, schedule: str) -> Path:
    for name in ("one", "two"):
        (folder / f"{name}.drill").write_text(DRILL.format(name=name))
    path = folder / "agent.yml"
    path.write_text(AGENT + "".join(f"  {line}\n" for line in schedule.splitlines()))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


GOOD = """\
time_zone: Europe/Berlin
blackouts: [{name: always, from: 2026-01-01, to: 2126-01-01}]
entries:
  - {name: daily, drills: ["*.drill"], cron: "@daily"}
"""


def test_the_preview_says_what_runs_in_utc_and_in_the_zone(tmp_path: Path) -> None:
    ended = run("schedule", "--config", written(tmp_path, GOOD.replace("2026-01-01", "2125-01-01")), "--json")
    assert ended.exit_code == 0, ended.output
    rows = json.loads(ended.stdout)
    assert len(rows) == 14
    assert rows[0]["drills"] == ["one", "two"]
    assert rows[0]["local"][10:19] == "T00:00:00"
    assert rows[0]["starts_at"][10:] in {"T22:00:00Z", "T23:00:00Z"}
    assert rows[0]["skipped"] is None


def test_the_preview_says_why_something_is_skipped(tmp_path: Path) -> None:
    ended = run("schedule", "--config", written(tmp_path, GOOD), "--days", "3", "--no-color")
    assert ended.exit_code == 0, ended.output
    assert " ".join(ended.stdout.split()).count("skipped (blackout): blackout always, until") == 3
    assert "3 occurrence(s) within 3 days, 3 skipped" in ended.stdout


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (
            'cron: "0 0 10 * * TUE"',
            "agent.yml:9: schedule.entries[0].cron: '0 0 10 * * TUE' has 6 fields, expected five",
        ),
        ('cron: "61 * * * *"', "is not a time of cron (Bad minute)"),
        ('cron: "0 0 30 2 *"', "is not a time of cron (Bad day-of-month)"),
        ('cron: "*/10 * * * *", spread: 1h', "spread is 1h, and its times may be only 10m apart"),
        ('cron: "@daily", drills: ["none/*.yml"]', "none/*.yml matches no drill file"),
        ('cron: "@daily", order: staleest', "schedule.entries[0].order: "),
        ('cron: "@daily", late: 1h', "unknown key, did you mean late_by?"),
        ('cron: "@daily", spread: 2d', "schedule.entries[0].spread: "),
    ],
)
def test_what_is_wrong_with_an_entry_is_told_with_its_line(tmp_path: Path, wrong: str, says: str) -> None:
    drills = "" if "drills" in wrong else 'drills: ["*.drill"], '
    path = written(tmp_path, f"time_zone: UTC\nblackouts: []\nentries:\n  - {{name: daily, {drills}{wrong}}}\n")
    ended = run("check", path)
    assert ended.exit_code == 2
    assert says in ended.stderr
    assert str(path) in ended.stderr


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("entries: []", "schedule.time_zone: is missing"),
        ("time_zone: Berlin", "'Berlin' is not a time zone, expected one such as Europe/Berlin or UTC"),
        ("time_zone: UTC\ncalendars: [none.ics]", "none.ics: cannot be read: No such file or directory"),
        ("time_zone: UTC\nblackouts: [{name: a, from: 2026-01-02}]", "expected either `from` and `to`, or `cron` and"),
        ("time_zone: UTC\nblackouts: [{name: a, from: 2026-01-02, to: 2026-01-01}]", "ends on 2026-01-01, before"),
        (
            'time_zone: UTC\nentries:\n  - {name: a, drills: [a], cron: "@daily"}\n  - {name: a, drills: [a], cron: "@daily"}',
            "the name 'a' is there twice, expected once",
        ),
    ],
)
def test_what_is_wrong_with_a_schedule_is_told(tmp_path: Path, wrong: str, says: str) -> None:
    ended = run("check", written(tmp_path, wrong))
    assert ended.exit_code == 2
    assert says in ended.stderr


def test_a_drill_may_have_another_rate_than_the_load_and_sets_the_limit_in_flight_only_if_it_says_so() -> None:
    load = SteadyLoad(rate=0.5, max_in_flight=7, workers=2)
    assert load.of_drill(DrillLoad(rate=3)) == SteadyLoad(rate=3, max_in_flight=7, workers=2)
    scaled = DrillLoad(rate=3, max_in_flight=9).scaled(10)
    assert load.of_drill(scaled) == SteadyLoad(rate=3, max_in_flight=9, workers=2)


def test_a_schedule_is_the_same_after_it_was_written_and_read_again(tmp_path: Path) -> None:
    """`alertdrill lab` writes a configuration for its own servers."""
    path = written(tmp_path, GOOD + "calendars: [a.ics]\n")
    path.write_text(path.read_text() + "history: {url: 'sqlite:///h.db'}\nfreshness: {prove_within: {page: 30d}}\n")
    config = read_agent_config(path)
    again = tmp_path / "below" / "again.yml"
    again.parent.mkdir()
    again.write_text(as_yaml(config))
    assert read_agent_config(again) == config
    assert config.relocated({"shop:80": "127.0.0.1:1"}) == config
    assert config.history.file(tmp_path) == tmp_path / "h.db"


def test_a_file_without_a_schedule_has_no_preview(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    path.write_text(AGENT.replace("schedule:\n", ""))
    ended = run("schedule", "--config", path)
    assert ended.exit_code == 2
    assert f"{path}: has no `schedule`, expected one with entries" in ended.stderr
