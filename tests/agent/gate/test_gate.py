"""The gate: which alerts it lets pass, and what it says of the others."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from alertdrill.agent.cli import app
from alertdrill.agent.config.rules import parse_any_rules, rule_sources
from alertdrill.agent.gate.proofs import AlertProof, add_proofs, by_alert, fingerprint
from alertdrill.agent.regression.closure import placed
from alertdrill.units.text import utc_text

RULES = """\
groups:
- name: shop
  rules:
  - record: job:errors:rate5m
    expr: sum by (job) (rate(errors_total[5m]))
  - alert: Queue
    expr: queue > 50
    for: 2m
    labels: {severity: critical}
  - alert: Errors
    expr: job:errors:rate5m > 2
    labels: {severity: warning}
  - alert: Note
    expr: queue > 5
"""
LIMITS = ["--prove-within", "critical=30d,warning=90d"]


class Shop:
    """Rules, and proofs of them so many days ago."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rules = folder / "rules.yml"
        self.rules.write_text(RULES)

    def prove(self, alert: str, days: float, scale: float = 1.0) -> None:
        (source,) = rule_sources(self.rules)
        rules = placed("rules.yml", parse_any_rules(source).groups)
        (severity, own), *_ = [(key[1], own) for key, own in by_alert(rules) if key[0] == alert]
        at = utc_text(datetime.now(UTC) - timedelta(days=days))
        proof = AlertProof(
            alert=alert, severity=severity, read_at=at, fired_at=at, proven_at=at, drill="shop",
            expressions=fingerprint(own, rules, scale), time_scale=scale,
        )  # fmt: skip
        add_proofs(self.folder / "proofs.json", [proof])

    def saw(self, alert: str, severity: str, **at: str) -> None:
        add_proofs(self.folder / "proofs.json", [AlertProof(alert=alert, severity=severity, **at)])  # type: ignore[arg-type]

    def change(self, old: str, new: str) -> None:
        assert old in self.rules.read_text()
        self.rules.write_text(self.rules.read_text().replace(old, new))

    def gate(self, *more: str) -> Any:
        return CliRunner().invoke(app, ["gate", "rules.yml", *LIMITS, *more], catch_exceptions=False)

    def json(self) -> dict[str, Any]:
        found = json.loads(self.gate("--format", "json").stdout)
        return {one["alert"]: (one["coverage"], one["standing"]) for one in found["alerts"]}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.chdir(tmp_path)
    shop = Shop(tmp_path)
    shop.prove("Queue", 29)
    shop.prove("Errors", 89)
    return shop


def test_alerts_that_were_proven_in_time_pass(shop: Shop) -> None:
    ran = shop.gate()
    assert ran.exit_code == 0
    assert ran.stdout.splitlines() == [
        "ok     Errors (warning): proven 89d ago by the drill shop; expected within 90d",
        "ok     Note: never proven, and no drill recorded a series that it reads",
        "ok     Queue (critical): proven 29d ago by the drill shop; expected within 30d",
        "3 alerts: 2 proven, 1 unread; 0 not proven in time",
    ]


def test_an_old_proof_fails_with_its_age(shop: Shop) -> None:
    (shop.folder / "proofs.json").unlink()
    shop.prove("Queue", 31)
    shop.prove("Errors", 1.5)
    ran = shop.gate()
    assert ran.exit_code == 1
    assert "FAILED Queue (critical): proven 31d ago by the drill shop; expected within 30d" in ran.stdout
    assert "ok     Errors (warning): proven 1d12h ago by the drill shop; expected within 90d" in ran.stdout
    assert shop.json()["Queue"] == ("proven", "stale")


CHANGES = [
    ("queue > 50", "queue > 51", {"Queue": ("fired", "void")}),
    ("[5m]", "[6m]", {"Errors": ("fired", "void")}),
    ("queue > 50", "queue>50 # the same", {}),
    ("for: 2m", "for: 3m", {}),
    ("expr: queue > 50", "annotations: {a: b}\n    expr: queue > 50", {}),
    ("severity: critical", "severity: warning", {"Queue": ("unread", "unproven")}),
]


@pytest.mark.parametrize(("old", "new", "differs"), CHANGES, ids=[row[1].split("\n")[0] for row in CHANGES])
@pytest.mark.parametrize("scale", [1.0, 60.0])
def test_another_expression_voids_a_proof_and_another_annotation_does_not(
    shop: Shop, old: str, new: str, differs: dict[str, Any], scale: float
) -> None:
    (shop.folder / "proofs.json").unlink()
    for alert in ("Queue", "Errors"):
        shop.prove(alert, 1, scale)
    shop.change(old, new)
    passing = {"Queue": ("proven", "fresh"), "Errors": ("proven", "fresh"), "Note": ("unread", "no limit")}
    assert shop.json() == passing | differs
    assert shop.gate().exit_code == int(bool(differs))


def test_the_coverage_tells_what_is_known_of_an_alert_without_a_proof(shop: Shop) -> None:
    at = "2026-01-02T03:04:05Z"
    (shop.folder / "proofs.json").unlink()
    shop.saw("Queue", "critical", read_at=at)
    shop.saw("Note", "", read_at=at, fired_at=at)
    assert shop.json() == {
        "Queue": ("silent", "unproven"), "Note": ("fired", "no limit"), "Errors": ("unread", "unproven"),
    }  # fmt: skip
    assert "Queue (critical): never fired, though drills recorded series that it reads" in shop.gate().stdout
    (shop.folder / "regress").mkdir()
    (shop.folder / "regress" / "shop.Queue.regress.yml").write_text(
        "{regress: Queue, rules: a, recorded: {by: a, prometheus: a, at: a, drill: a, sha256: a},"
        " contract: {fires_within: 5m}, snapshot: [], fault: {begins: 2m}, evaluation: 15s, evaluations: 4, scrapes: []}"
    )
    assert shop.json()["Queue"] == ("replayed", "unproven")


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ("critical", "'critical' is not a limit, expected severities with durations such as critical=30d,warning=90d"),
        ("critical=30", "--prove-within: '30' is not a duration"),
        ("critical=0", "--prove-within: critical=0 would fail every alert"),
        ("a=1d,a=2d", "--prove-within: a is there twice"),
    ],
)
def test_a_wrong_limit_is_told(limits: str, says: str) -> None:
    ran = CliRunner().invoke(app, ["gate", "rules.yml", "--prove-within", limits])
    assert (ran.exit_code, says in ran.stderr) == (2, True), ran.stderr


def test_limits_that_concern_no_alert_are_told(shop: Shop) -> None:
    ran = shop.gate("--prove-within", "critcal=30d,warning=90d")
    assert ran.exit_code == 0
    assert ran.stdout.splitlines()[-1] == "no alert has the severity critcal, so its limit concerns none"
    ran = CliRunner().invoke(app, ["gate", "rules.yml"])
    assert ran.exit_code == 0
    assert ran.stdout.splitlines()[-1] == "no alert has a limit, so all of them pass"


def test_the_limits_and_the_recordings_of_a_configuration_are_taken(shop: Shop) -> None:
    config = shop.folder / "agent.yml"
    url = "{url: 'http://127.0.0.1:1'}"
    config.write_text(
        f"probe: {{kind: tcp, url: 'tcp://127.0.0.1:1', timeout: 1s}}\nprometheus: {url}\nalertmanager: {url}\n"
        f"toxiproxy: {url}\nrecordings: kept\nfreshness: {{prove_within: {{critical: 30d}}}}\n"
    )
    ran = CliRunner().invoke(app, ["gate", "rules.yml", "--config", "agent.yml"])
    assert ran.exit_code == 1
    assert "FAILED Queue (critical): never proven, and no drill recorded a series that it reads" in ran.stdout


def test_a_proof_of_the_future_would_never_be_old_and_is_refused(shop: Shop) -> None:
    shop.prove("Queue", -400)
    ran = shop.gate()
    assert ran.exit_code == 2
    assert "the proof of Queue is of" in ran.stderr


def test_without_proofs_and_recordings_both_ways_are_named(shop: Shop) -> None:
    (shop.folder / "proofs.json").unlink()
    ran = shop.gate()
    assert ran.exit_code == 2
    assert "proofs.json is not here, and neither is configs/agent.yml: name one of them with" in ran.stderr


def test_proofs_that_are_named_and_missing_are_told(shop: Shop) -> None:
    ran = shop.gate("--proofs", "other.json")
    assert (ran.exit_code, "other.json: cannot be read" in ran.stderr) == (2, True)


def test_a_gate_tells_a_ci_server_at_the_rules(shop: Shop) -> None:
    shop.change("queue > 50", "queue > 60")
    ran = shop.gate("--format", "github", "--report", "junit=junit.xml")
    assert (
        "::error file=rules.yml,line=6,title=Queue::Queue proven 29d ago by the drill shop, and its expression"
        in ran.stdout
    )
    text = (shop.folder / "junit.xml").read_text()
    assert 'tests="3" failures="1" errors="0"' in text
