"""From a recording to a file and back: what is written, what a changed rule makes of it, and what is refused."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from alertdrill.agent.cli import app
from alertdrill.agent.recording.recording import Recording, write_recording
from alertdrill.agent.recording.records import WatchedRecord
from alertdrill.agent.recording.replay import LeftOutRecord, SelectorRecord
from alertdrill.agent.regression.promtool import find_promtool
from alertdrill.agent.regression.regress_file import read_regress_file
from tests.support.replayable import Written, write_rules

ROUTES = """
route: {receiver: nobody, routes: [{receiver: pager, matchers: ['severity="page"']}]}
receivers: [{name: nobody}, {name: pager}]
"""
RULES: list[dict[str, Any]] = [
    {"record": "job:errors:rate1m", "expr": "sum by (job) (rate(errors_total[1m]))"},
    {
        "alert": "Queue",
        "expr": "queue > 50",
        "for": "2m",
        "labels": {"severity": "page"},
        "annotations": {"a": "{{ $value }}"},
    },
    {"alert": "Errors", "expr": "job:errors:rate1m > 2", "for": "1m", "labels": {"severity": "page"}},
    {"alert": "Down", "expr": "absent(queue)", "for": "1m", "labels": {"severity": "page"}},
]
# The fault is between five and fifteen minutes: samples 20 to 60.
QUEUE = Written(
    {
        'queue{job="shop",instance="a:1"}': "10x19 80x39 10x60",
        'queue{job="shop",instance="b:1"}': "10x119",
        'unread{job="shop"}': "1x119",
    },
    RULES,
    "Queue",
)
ERRORS = Written({'errors_total{job="shop",instance="a:1"}': "1000+3x19 1060+90x39 4570+3x60"}, RULES, "Errors")
DOWN = Written({'queue{job="shop",instance="a:1"}': "10x19 stale _x39 10x60"}, RULES, "Down")


_MADE: dict[Written, str] = {}


class Shop:
    """A recording, its rule file and the commands on them."""

    def __init__(self, folder: Path, base: Recording) -> None:
        self.folder = folder
        self.base = base
        self.routes = folder / "alertmanager.yml"
        self.routes.write_text(ROUTES)
        self.rules = folder / "rules.yml"

    def record(self, written: Written, change: Callable[[Recording], Recording] = lambda one: one) -> Path:
        recording, self.rules = written.recording(self.base, self.folder)
        path = self.folder / "shop.recording.json.gz"
        write_recording(change(recording), path)
        return path

    def make(self, path: Path, *more: str) -> Any:
        given = ["regress", str(path), "--rules", str(self.rules), "--alertmanager", str(self.routes)]
        return CliRunner().invoke(app, [*given, "-o", str(self.folder / "regress"), *more], catch_exceptions=False)

    def made(self, written: Written) -> Path:
        """Return the file of a recording, which is made only once for all tests."""
        path = self.folder / "regress" / f"shop.{written.alert}.regress.yml"
        if written in _MADE:
            write_rules(self.rules, RULES)
            path.parent.mkdir()
            path.write_text(_MADE[written])
        else:
            result = self.make(self.record(written))
            assert result.exit_code == 0, result.output
            _MADE[written] = path.read_text()
        return path

    def run(self, *more: str) -> Any:
        return CliRunner().invoke(app, ["regress", "run", str(self.folder / "regress"), *more], catch_exceptions=False)

    def change(self, alert: str, **update: Any) -> None:
        rules = [one | (update if one.get("alert") == alert else {}) for one in RULES]
        write_rules(self.rules, rules)


@pytest.fixture
def shop(tmp_path: Path, passed: Recording) -> Shop:
    return Shop(tmp_path, passed)


@pytest.mark.parametrize(("written", "lines"), [(QUEUE, 18), (ERRORS, 18), (DOWN, 17)])
@pytest.mark.parametrize("scale", [1.0, 60.0])
def test_a_recording_becomes_a_short_file_that_holds(shop: Shop, written: Written, lines: int, scale: float) -> None:
    path = shop.made(replace(written, scale=scale))
    assert len(path.read_text().splitlines()) <= lines
    ran = shop.run()
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert f"{written.alert} fires after" in ran.stdout


def test_a_file_holds_only_the_series_that_decide_and_the_time_that_matters(shop: Shop) -> None:
    file = read_regress_file(shop.made(QUEUE))
    assert file.decisive == 'queue{instance="a:1",job="shop"}'
    assert [list(group.series) for group in file.scrapes] == [['queue{instance="a:1",job="shop"}']]
    assert file.evaluations < 70
    (entry,) = file.snapshot
    assert (entry.pending, entry.firing, entry.resolved) == ("15s", "2m15s", "10m15s")
    assert file.rules == "../rules.yml"
    assert file.contract.receiver == "pager"


CHANGES: list[tuple[Written, dict[str, Any], int, str]] = [
    (QUEUE, {"for": "4m"}, 0, "Queue would fire 2m later: 2m15s → 4m15s; contract 10m: holds"),
    (QUEUE, {"for": "1m"}, 0, "Queue would fire 1m earlier: 2m15s → 1m15s; contract 10m: holds"),
    (QUEUE, {"for": "12m"}, 1, "Queue would fire 10m later: 2m15s → 12m15s; contract 10m: fails"),
    (QUEUE, {"expr": "queue > 100"}, 1, "Queue would not fire; contract 10m: fails"),
    (QUEUE, {"expr": "queue < 5"}, 1, "Queue would not fire; contract 10m: fails"),
    (QUEUE, {"expr": "queue_lenght > 50"}, 1, "Queue would not fire; contract 10m: fails"),
    (QUEUE, {"expr": "queue > 5"}, 1, "Queue would fire without any fault, on the time before it: fails"),
    (QUEUE, {"labels": {"severity": "info"}}, 1, "contract receiver pager: fails"),
    (QUEUE, {"labels": {"severity": "page", "team": "x"}}, 0, 'team="x"} instead of {instance="a:1"'),
    (QUEUE, {"keep_firing_for": "5m"}, 0, "Queue would resolve 5m later: 10m15s → 15m15s"),
    (QUEUE, {"keep_firing_for": "10m"}, 1, "Queue would resolve 15s too late; contract 10m after the fault: fails"),
    (QUEUE, {"keep_firing_for": "30m"}, 1, "Queue would not resolve; contract 10m after the fault: fails"),
    (QUEUE, {"expr": "vector(1) > 0", "for": "30s"}, 1, "Queue would fire 1m30s before the fault: fails"),
    (
        QUEUE,
        {"expr": "vector(1) > 0"},
        1,
        'Queue would fire even without queue{instance="a:1",job="shop"}: this file proves nothing any more: fails',
    ),
    (QUEUE, {"annotations": {"a": "other"}}, 0, "Queue fires after 2m15s as recorded; contract 10m: holds"),
    (QUEUE, {"expr": "queue > on () queue"}, 1, "would not fire"),
    (QUEUE, {"expr": "queue > 50 and on () vector(time()) > 1"}, 3, "reads the clock with time()"),
    (ERRORS, {"expr": "rate(errors_total[5m]) > 2"}, 0, "contract 10m: holds"),
    (ERRORS, {"expr": "job:errors:rate1m > 20"}, 1, "Errors would not fire; contract 10m: fails"),
    (DOWN, {"expr": "absent(queue) or absent(unread)"}, 1, "Down would fire without any fault"),
]


@pytest.mark.parametrize(("written", "update", "code", "says"), CHANGES, ids=[row[3] for row in CHANGES])
def test_a_changed_rule_is_told_in_minutes(
    shop: Shop, written: Written, update: dict[str, Any], code: int, says: str
) -> None:
    shop.made(written)
    shop.change(written.alert, **update)
    ran = shop.run()
    assert (ran.exit_code, says in ran.stdout) == (code, True), ran.output


def test_an_alert_that_would_wait_longer_than_the_recorded_fault_is_judged_as_if_it_went_on(shop: Shop) -> None:
    path = shop.made(QUEUE)
    path.write_text(path.read_text().replace("fires_within: 10m", "fires_within: 30m"))
    shop.change("Queue", **{"for": "20m"})
    ran = shop.run()
    assert ran.exit_code == 0
    assert "Queue would fire 18m later: 2m15s → 20m15s; contract 30m: holds" in ran.stdout
    assert "the recorded fault ended after 10m; its state when the alert fired was continued" in ran.stdout


def test_a_pull_request_on_github_shows_each_problem_at_its_rule(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.made(QUEUE)
    monkeypatch.chdir(shop.folder)
    assert "::" not in shop.run().stdout
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert "::" not in shop.run().stdout
    shop.change("Queue", **{"for": "12m"})
    at = next(n for n, line in enumerate(shop.rules.read_text().splitlines(), 1) if "alert: Queue" in line)
    says = "Queue would fire 10m later: 2m15s → 12m15s; contract 10m: fails"
    assert f"::error file=rules.yml,line={at},title=Queue::{says}\n" in shop.run().stdout
    shop.change("Queue", **{"for": "4m"})
    says = "Queue would fire 2m later: 2m15s → 4m15s; contract 10m: holds"
    assert f"::warning file=rules.yml,line={at},title=Queue::{says}\n" in shop.run().stdout


def test_a_program_reads_the_result_as_json_and_a_ci_server_as_junit(shop: Shop) -> None:
    path = shop.made(QUEUE)
    shop.change("Queue", **{"for": "12m"})
    ran = shop.run("--format", "json", "--report", f"junit={shop.folder / 'junit.xml'}")
    assert ran.exit_code == 1
    found = json.loads(ran.stdout)
    (file,) = found.pop("files")
    assert found == {"version": 1, "passes": False, "skipped": []}
    assert (file["file"], file["alert"], file["passes"]) == (str(path), "Queue", False)
    assert file["failures"] == ["would fire 10m later: 2m15s → 12m15s; contract 10m: fails"]
    assert file["rule"]["file"] == str(shop.folder / "regress" / ".." / "rules.yml")
    assert 'failures="1"' in (shop.folder / "junit.xml").read_text()


@pytest.mark.parametrize(
    ("expr", "says"),
    [
        ("max_over_time(queue[12s]) > 50", "no sample lies at the begin of a range, where only 2.x counts it, so both"),
        ("max_over_time(queue[30s:15s]) > 50", "the begin of a subquery counts only in 2.x"),
        (
            "max_over_time(queue[11s]) > 50",
            "times a sample lies at the very begin of a range, where only 2.x counts it",
        ),
    ],
)
def test_a_promtool_of_another_major_version_is_told_with_what_it_may_change(shop: Shop, expr: str, says: str) -> None:
    path = shop.made(QUEUE)
    path.write_text(re.sub(r"prometheus: '[^']*'", "prometheus: '3.5.0'", path.read_text()))
    shop.change("Queue", expr=expr)
    ran = shop.run()
    assert ran.exit_code == 0
    assert re.search(
        rf"recorded on Prometheus 3.5.0, replayed by promtool 2[.\w+]*: .*{re.escape(says)}", ran.stdout
    ), ran.stdout


def _queue(**update: Any) -> dict[str, Any]:
    return next(one for one in RULES if one.get("alert") == "Queue") | update


_OTHERS = [one for one in RULES if one.get("alert") != "Queue"]
UNREADABLE = {
    "renamed": (
        yaml.safe_dump({"groups": [{"name": "shop", "rules": [*_OTHERS, _queue(alert="Backlog")]}]}),
        "rules.yml: no rule makes the alert Queue, found Backlog, Down, Errors: if it has another name now, write that as `regress:`",
    ),
    "split under two names": (
        yaml.safe_dump({"groups": [{"name": "shop", "rules": [_queue(alert="QueueLong"), _queue(alert="QueueFull")]}]}),
        "found QueueFull, QueueLong: if it has another name now, write that as `regress:`, after a split in a copy of this regress file for each",
    ),
    "moved to another file": (
        yaml.safe_dump({"groups": [{"name": "shop", "rules": _OTHERS}]}),
        "; if the rule moved, name its file as `rules:`; if it was removed on purpose, delete this regress file",
    ),
    "among many": (
        yaml.safe_dump({"groups": [{"name": "g", "rules": [_queue(alert=f"Queue{n}") for n in range(15)]}]}),
        " and 5 more: if it has another name now",
    ),
    "no YAML": ("groups:\n- name: x\n  rules: [\n", "rules.yml:4: is not YAML"),
    "no rules": ("groups: 5\n", "rules.yml:1: groups: is a text, expected a list"),
    "no PromQL": (
        yaml.safe_dump({"groups": [{"name": "shop", "rules": [_queue(expr="sum((queue")]}]}),
        "rules.yml: Queue cannot be read here: unclosed left parenthesis",
    ),
    "a template": (
        "groups:\n{{- range .Values.x }}\n- name: x\n{{- end }}\n",
        "rules.yml:2: is a template, not YAML yet: write it out first, with `helm template` if it is one of Helm",
    ),
    "a template that is YAML": (
        yaml.safe_dump({"groups": [{"name": "shop", "rules": [_queue(expr="queue > {{ .Values.most }}")]}]}),
        "rules.yml: Queue cannot be read here: it is a template: write it out first",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_rule_that_cannot_be_judged_is_told_with_what_to_do(shop: Shop, name: str) -> None:
    shop.made(QUEUE)
    text, says = UNREADABLE[name]
    shop.rules.write_text(text)
    ran = shop.run()
    assert (ran.exit_code, says in ran.stdout) == (3, True), ran.output


def test_a_rule_file_that_is_gone_is_told_with_what_to_do(shop: Shop) -> None:
    shop.made(QUEUE)
    shop.rules.unlink()
    ran = shop.run()
    assert ran.exit_code == 3
    assert (
        "rules.yml: cannot be read: No such file or directory: if the rule moved, name its file as `rules:`"
        in ran.stdout
    )


def test_a_file_follows_its_rule_to_another_name_file_and_group(shop: Shop) -> None:
    path = shop.made(QUEUE)
    groups = [{"name": "first", "rules": _OTHERS}, {"name": "second", "rules": [_queue(alert="Backlog")]}]
    (shop.folder / "other.yml").write_text(yaml.safe_dump({"groups": groups}))
    shop.rules.unlink()
    text = path.read_text().replace("regress: Queue", "regress: Backlog")
    path.write_text(text.replace("rules: ../rules.yml", "rules: ../other.yml"))
    ran = shop.run()
    assert (ran.exit_code, "Backlog fires after 2m15s as recorded" in ran.stdout) == (0, True), ran.output


def test_an_alert_that_is_split_under_one_name_is_tested_as_a_whole(shop: Shop) -> None:
    shop.made(QUEUE)
    write_rules(shop.rules, [*_OTHERS, _queue(), _queue(expr="queue > 1000", labels={"severity": "wake"})])
    ran = shop.run()
    assert (ran.exit_code, "Queue fires after 2m15s as recorded" in ran.stdout) == (0, True), ran.output
    write_rules(shop.rules, [*_OTHERS, _queue(expr="queue > 1000"), _queue(labels={"severity": "wake"})])
    ran = shop.run()
    assert (ran.exit_code, "would fire with {" in ran.stdout) == (1, True), ran.output


def test_a_rule_of_a_group_with_another_interval_is_replayed_and_told_not_to_be_tested(shop: Shop) -> None:
    recorded = {'job:errors:rate1m{job="shop"}': "0.2x19 6x39 0.2x60"}
    assert shop.make(shop.record(replace(ERRORS, series=ERRORS.series | recorded, rules=RULES[1:]))).exit_code == 0
    others = {"name": "slow", "interval": "1m", "rules": RULES[:1]}
    shop.rules.write_text(yaml.safe_dump({"groups": [others, {"name": "shop", "rules": RULES[1:]}]}))
    ran = shop.run()
    assert (ran.exit_code, "Errors fires after 1m15s as recorded" in ran.stdout) == (0, True), ran.output
    assert "job:errors:rate1m is of a group with another interval: what was recorded is replayed" in ran.stdout


def test_a_recording_rule_of_a_file_that_is_not_named_is_told(shop: Shop) -> None:
    shop.made(ERRORS)
    write_rules(shop.rules, [one for one in RULES if "record" not in one])
    ran = shop.run()
    assert ran.exit_code == 1
    assert (
        "the file has no series of job:errors:rate1m, which the rule reads: if a recording rule makes it, name its file as `rules:`, too"
        in ran.stdout
    )


def test_a_group_with_another_interval_is_evaluated_at_it(shop: Shop) -> None:
    shop.made(QUEUE)
    write_rules(shop.rules, RULES, "1m")
    ran = shop.run()
    assert ran.exit_code == 0, ran.output
    assert "Queue would fire 45s later: 2m15s → 3m; contract 10m: holds" in ran.stdout


def _resource(*rules: dict[str, Any]) -> dict[str, Any]:
    spec = {"groups": [{"name": "shop", "rules": list(rules)}]}
    head = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": "shop"}}
    return head | {"spec": spec}


_PLAIN = {"name": "shop", "rules": RULES}
_CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop"}, "data": {"a": "b"}}
_HELM = (_CONFIG_MAP, _resource(*_OTHERS), _resource(_queue()))
# How rules are written, and whether promtool reads them as they are.
FORMS: dict[str, tuple[str, bool]] = {
    "one document": (yaml.safe_dump({"groups": [_PLAIN]}), True),
    "JSON": (json.dumps({"groups": [_PLAIN]}), True),
    "two documents": (
        yaml.safe_dump_all(
            [{"groups": [_PLAIN | {"rules": _OTHERS}]}, {"groups": [{"name": "q", "rules": [_queue()]}]}]
        ),
        False,
    ),
    "a PrometheusRule": (yaml.safe_dump(_resource(*RULES)), False),
    "a PrometheusRule as JSON": (json.dumps(_resource(*RULES)), False),
    "output of Helm": ("---\n# Source: shop/templates/rules.yaml\n".join(["", *map(yaml.safe_dump, _HELM)]), False),
    "a List": (
        yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [_CONFIG_MAP, _resource(*RULES)]}),
        False,
    ),
    "a List as JSON": (json.dumps({"apiVersion": "v1", "kind": "List", "items": [_resource(*RULES)]}), False),
    "a key of Thanos": (yaml.safe_dump({"groups": [_PLAIN | {"partial_response_strategy": "warn"}]}), False),
    "keys of Mimir": (yaml.safe_dump({"namespace": "a", "groups": [_PLAIN | {"source_tenants": ["b"]}]}), False),
}


@pytest.mark.parametrize("form", FORMS)
def test_rules_of_any_form_are_replayed_and_exported(shop: Shop, form: str) -> None:
    shop.made(QUEUE)
    text, is_for_promtool = FORMS[form]
    shop.rules.write_text(text)
    ran = shop.run()
    assert (ran.exit_code, "Queue fires after 2m15s as recorded" in ran.stdout) == (0, True), ran.output
    plain = shop.folder / "plain"
    assert shop.run("--export", "promtool", "-o", str(plain)).exit_code == 0
    (test,) = plain.glob("*.test.yml")
    named = yaml.safe_load(test.read_text())["rule_files"]
    assert named == ["../rules.yml" if is_for_promtool else "shop.Queue.rules.yml"]
    _promtool(plain, code=0)
    shop.rules.write_text(text.replace("2m", "12m"))
    assert shop.run("--export", "promtool", "-o", str(plain)).exit_code == 0
    _promtool(plain, code=1)


def test_an_update_writes_only_the_snapshot(shop: Shop) -> None:
    path = shop.made(QUEUE)
    before = path.read_text().splitlines()
    shop.change("Queue", **{"for": "4m"})
    assert "updated" in shop.run("--update").stdout
    after = path.read_text().splitlines()
    assert [(old, new) for old, new in zip(before, after, strict=True) if old != new] == [
        (
            next(line for line in before if "pending" in line),
            next(line for line in before if "pending" in line).replace("2m15s", "4m15s"),
        )
    ]
    assert "fires after 4m15s as recorded" in shop.run().stdout


@pytest.mark.parametrize("written", [QUEUE, ERRORS, DOWN])
def test_an_exported_test_passes_and_fails_as_the_file_does(shop: Shop, written: Written) -> None:
    shop.made(written)
    folder = shop.folder / "plain"
    assert shop.run("--export", "promtool", "-o", str(folder)).exit_code == 0
    _promtool(folder, code=0)
    shop.change(written.alert, **{"for": "12m"})
    _promtool(folder, code=1)


def _promtool(folder: Path, code: int) -> None:
    names = [path.name for path in folder.glob("*.test.yml")]
    ended = subprocess.run(
        ["promtool", "test", "rules", *names], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ended.returncode == code, ended.stdout + ended.stderr


def _without_replay(recording: Recording) -> Recording:
    return recording.model_copy(update={"replay": None})


def _old(recording: Recording) -> Recording:
    return recording.model_copy(update={"replay": None, "version": 2})


def _left_out(recording: Recording) -> Recording:
    assert recording.replay is not None
    left = LeftOutRecord(
        rule="Queue", reason="too much", selectors=[SelectorRecord(selector="queue", series=9000, samples=900000)]
    )
    return recording.model_copy(update={"replay": recording.replay.model_copy(update={"left_out": [left]})})


def _silent(recording: Recording) -> Recording:
    return recording.model_copy(update={"alerts": []})


def _pending(recording: Recording) -> Recording:
    return recording.model_copy(update={"alerts": [one for one in recording.alerts if one.state == "pending"]})


def _one_evaluation_less(recording: Recording) -> Recording:
    firing = next(one for one in recording.alerts if one.state == "firing")
    shorter = firing.model_copy(update={"instants": firing.instants[:10] + firing.instants[11:]})
    return recording.model_copy(update={"alerts": [shorter if one is firing else one for one in recording.alerts]})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_without_replay, "the recording has no raw samples: it cannot be replayed"),
        (_old, "the recording has version 2, without raw samples: it cannot be replayed"),
        (_left_out, "Queue: too much (queue: 900,000 samples in 9,000 series)"),
        (_silent, "Queue was never active in this recording"),
        (_pending, "Queue was pending, but never fired in this recording"),
        (_one_evaluation_less, 'at 4m45s from the begin of the fault {alertname="Queue", instance="a:1"'),
    ],
)
def test_what_cannot_be_replayed_is_told_and_not_written(
    shop: Shop, change: Callable[[Recording], Recording], says: str
) -> None:
    result = shop.make(shop.record(QUEUE, change))
    assert result.exit_code == 3
    assert says in result.stderr
    assert not (shop.folder / "regress").exists()


def _on(recording: Recording, version: str) -> Recording:
    """Say that a recording is from another Prometheus, or from that of the promtool here."""
    server = recording.prometheus.model_copy(update={"version": version})
    return recording.model_copy(update={"prometheus": server})


def _unlike_promtool(recording: Recording) -> Recording:
    return _on(_one_evaluation_less(recording), find_promtool().version)


def _of_another_version(recording: Recording) -> Recording:
    return _on(_one_evaluation_less(recording), "1.8.2")


def _with_query_offset(recording: Recording) -> Recording:
    watched = WatchedRecord(
        alert="Queue", group="shop", file="rules.yml", first_at=recording.started_at, interval_seconds=15, count=0,
        query_offset_seconds=30, parts=[],
    )  # fmt: skip
    return _unlike_promtool(recording).model_copy(update={"watched": [watched]})


def _firing_from_the_begin(recording: Recording) -> Recording:
    """The samples begin with the drill, and the alert fired before."""
    instants = sorted(at for one in recording.alerts for at in one.instants)
    firing = recording.alerts[0].model_copy(update={"state": "firing", "instants": instants})
    return recording.model_copy(update={"alerts": [firing]})


ALWAYS = replace(QUEUE, series={'queue{job="shop",instance="a:1"}': "80x119"}, lead=30)


@pytest.mark.parametrize(
    ("written", "change", "says"),
    [
        (ALWAYS, _firing_from_the_begin, "It was active already when the recording began."),
        (QUEUE, _of_another_version, "It was recorded on Prometheus 1.8.2, and this is promtool "),
        (QUEUE, _with_query_offset, "Its group has a query offset of 30 s."),
        (
            ERRORS,
            _unlike_promtool,
            "It reads job:errors:rate1m, which the server may have evaluated up to one interval",
        ),
        (QUEUE, _unlike_promtool, "An evaluation of the server may have come late, or read a scrape before it was"),
    ],
)
def test_what_promtool_does_not_reproduce_is_told_with_the_likely_reason(
    shop: Shop, written: Written, change: Callable[[Recording], Recording], says: str
) -> None:
    result = shop.make(shop.record(written, change))
    assert result.exit_code == 3
    assert "promtool does not reproduce the recording: at " in result.stderr
    assert says in result.stderr


def _without_five_scrapes(recording: Recording) -> Recording:
    """Leave out the scrapes for which the series of `standing_still` have no sample."""
    assert recording.replay is not None
    (target,) = recording.replay.targets
    gone = slice(35, 40)
    shorter = target.model_copy(deep=True)
    for values in (shorter.instants, shorter.up, shorter.durations_seconds):
        del values[gone]  # type: ignore[attr-defined]
    return recording.model_copy(update={"replay": recording.replay.model_copy(update={"targets": [shorter]})})


def test_a_server_that_did_not_scrape_for_a_while_ended_no_series(shop: Shop) -> None:
    """The alert went on in that time, as it would not if the target had been gone."""
    standing_still = {'queue{job="shop",instance="a:1"}': "10x19 80x14 _x5 80x19 10x60"}
    result = shop.make(shop.record(replace(QUEUE, series=standing_still), _without_five_scrapes))
    assert result.exit_code == 0, result.output
    (entry,) = read_regress_file(shop.folder / "regress" / "shop.Queue.regress.yml").snapshot
    assert (entry.pending, entry.firing, entry.resolved) == ("15s", "2m15s", "10m15s")


def test_a_rule_file_that_is_not_the_recorded_one_is_named_as_the_reason(shop: Shop) -> None:
    path = shop.record(QUEUE)
    shop.change("Queue", **{"for": "3m"})
    result = shop.make(path)
    assert result.exit_code == 3
    assert f"The rule in {shop.rules} is not the recorded one: for is 3m there, and 2m was recorded." in result.stderr


def test_a_drill_without_a_file_of_its_rules_needs_the_option(shop: Shop) -> None:
    result = CliRunner().invoke(app, ["regress", str(shop.record(QUEUE)), "-o", str(shop.folder / "regress")])
    assert result.exit_code == 2
    assert "Prometheus read it from rules.yml, which is not here: name the file with --rules" in result.stderr


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("evaluation: 15s", "evaluation: 15", "evaluation: '15' is not a duration|evaluation: 15 has no unit"),
        ("evaluation: 15s", "evaluation: 0s", "evaluation: input should be greater than 0"),
        ("every: 15s", "every: 0s", "every: input should be greater than 0"),
        ("pending: 15s", "pending: soon", "pending: 'soon' is not a duration"),
        ("10x", "ten x", "'ten' is not a value of a series"),
        ("contract:", "contracts:", "contract"),
        ("'queue{", "'queue{{", "is not a series"),
    ],
)
def test_a_wrong_file_is_reported_with_its_line(shop: Shop, old: str, new: str, says: str) -> None:
    path = shop.made(QUEUE)
    path.write_text(path.read_text().replace(old, new))
    ran = shop.run()
    assert ran.exit_code == 2
    assert re.search(says, ran.stderr), ran.stderr
    assert f"{path}:" in ran.stderr


@pytest.mark.parametrize("is_there", [True, False])
def test_a_folder_without_files_is_reported(shop: Shop, *, is_there: bool) -> None:
    if is_there:
        (shop.folder / "regress").mkdir()
    ran = shop.run()
    assert ran.exit_code == 2
    assert "no file ends with .regress.yml" in ran.stderr


def test_a_hidden_label_whose_value_a_rule_names_is_told(shop: Shop) -> None:
    rules = [one | ({"expr": 'queue{instance="a:1"} > 50'} if one.get("alert") == "Queue" else {}) for one in RULES]
    result = shop.make(shop.record(replace(QUEUE, rules=rules)), "--redact", "instance")
    assert result.exit_code == 3
    assert "--redact hides a value that the rule names, so leave that label out of --redact" in result.stderr


def test_hidden_labels_are_hashes_in_the_file(shop: Shop) -> None:
    result = shop.make(shop.record(QUEUE), "--redact", "instance")
    assert result.exit_code == 0, result.output
    assert "a:1" not in (shop.folder / "regress" / "shop.Queue.regress.yml").read_text()
