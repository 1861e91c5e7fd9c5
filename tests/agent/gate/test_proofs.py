"""The file of proofs: what drills write into it, and how two branches of it come together."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.gate.proofs import AlertProof, add_proofs, proofs_of, read_proofs, render
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.verdict.judge import judge
from alertdrill.units.text import utc_text
from tests.support.git_repository import commit, committed, git
from tests.support.one_rule import START
from tests.support.replayable import Written

BEFORE = "2026-01-02T00:00:00Z"
BETWEEN = "2026-01-12T00:00:00Z"
AFTER = "2026-02-02T00:00:00Z"


def proof(alert: str, at: str = BEFORE, **more: object) -> AlertProof:
    values = {"alert": alert, "severity": "page", "read_at": at, "fired_at": at, "proven_at": at, "drill": "a"}
    return AlertProof.model_validate(values | {"expressions": "0" * 16} | more)


def branches(folder: Path, first: AlertProof, second: AlertProof, *, union: bool = False) -> list[AlertProof]:
    """Return what git makes of two branches that each add a proof."""
    path = folder / "proofs.json"
    add_proofs(path, [proof("B"), proof("C"), proof("E")])
    if union:
        (folder / ".gitattributes").write_text("proofs.json merge=union\n")
    committed(folder)
    for branch, one in (("one", first), ("two", second)):
        git(folder, "switch", "--quiet", "--create", branch, "main")
        add_proofs(path, [one])
        commit(folder)
    git(folder, "merge", "--quiet", "one")
    return read_proofs(path)


@pytest.mark.parametrize(
    ("first", "second"),
    [("B", "C"), ("E", "C"), ("A", "F"), ("D", "E"), ("C", "D")],
)
def test_git_merges_the_proofs_of_different_alerts_by_itself(tmp_path: Path, first: str, second: str) -> None:
    found = branches(tmp_path, proof(first, AFTER), proof(second, AFTER))
    assert {one.alert for one in found if one.proven_at == AFTER} == {first, second}
    assert {one.alert for one in found} == {"B", "C", "E", first, second}


@pytest.mark.parametrize(("first", "second"), [("C", "C"), ("D", "Dd"), ("F", "F")])
def test_with_the_union_of_git_also_the_same_alert_and_the_same_place_merge(
    tmp_path: Path, first: str, second: str
) -> None:
    found = branches(tmp_path, proof(first, BETWEEN), proof(second, AFTER), union=True)
    assert next(one for one in found if one.alert == second).proven_at == AFTER
    assert {one.alert for one in found} == {"B", "C", "E", first, second}


def test_a_file_is_the_same_whoever_writes_it_in_whatever_order(tmp_path: Path) -> None:
    proofs = [proof("A"), proof("B", AFTER), proof("A", AFTER, severity="low")]
    for one in proofs:
        add_proofs(tmp_path / "one.json", [one])
    add_proofs(tmp_path / "other.json", reversed(proofs))
    text = (tmp_path / "one.json").read_text()
    assert text == (tmp_path / "other.json").read_text() == render(read_proofs(tmp_path / "one.json"))
    values = f'"read_at": "{AFTER}", "fired_at": "{AFTER}", "proven_at": "{AFTER}", "drill": "a"'
    assert text.splitlines()[:5] == [
        '{"version": 1, "proofs": [',
        "",
        '"A low",',
        f'{{"alert": "A", "severity": "low", {values}, "expressions": "{"0" * 16}"}},',
        "",
    ]
    assert [line for line in text.splitlines() if line.startswith('"')] == ['"A low",', '"A page",', '"B page",']


def test_a_later_drill_that_proves_nothing_keeps_the_proof(tmp_path: Path) -> None:
    path = tmp_path / "proofs.json"
    add_proofs(path, [proof("A")])
    add_proofs(path, [AlertProof(alert="A", severity="page", read_at=AFTER)])
    (found,) = read_proofs(path)
    assert (found.read_at, found.fired_at, found.proven_at, found.drill) == (AFTER, BEFORE, BEFORE, "a")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "proofs.json:1: is not JSON"),
        ('{"version": 1,\n"proofs": [}', "proofs.json:2: is not JSON"),
        ("[]", "proofs.json: the file: "),
        ('{"version": 2, "proofs": []}', "version: "),
        ('{"version": 1, "proofs": [{"alert": "A", "proven": "x"}]}', "proofs.0.proven: Extra inputs"),
        ('{"version": 1, "proofs": [{"alert": "A", "proven_at": "2026"}]}', "'2026' is not an instant"),
        ('{"version": 1, "proofs": [\n<<<<<<< HEAD\n', "proofs.json:2: git left a conflict here"),
    ],
)
def test_a_wrong_file_is_told_and_left_as_it_is(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "proofs.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        add_proofs(path, [proof("A")])
    assert says in str(raised.value)
    assert path.read_text() == text


RULES = """\
groups:
- name: shop
  rules:
  - {record: 'shop:queue:sum', expr: 'sum(queue)'}
  - {alert: Queue, expr: 'shop:queue:sum > 50', for: 2m, labels: {severity: page}}
  - {alert: Silent, expr: 'queue > 1000', labels: {severity: page}}
  - {alert: Unread, expr: 'other > 1', labels: {severity: page}}
"""
QUEUE = Written(
    {'queue{job="shop",instance="a:1"}': "10x19 80x39 10x60"},
    [{"alert": "Queue", "expr": "queue > 50", "for": "2m", "labels": {"severity": "page"}}],
    "Queue",
)


def recorded(passed: Recording, folder: Path, rules: str = RULES) -> Recording:
    recording, _ = QUEUE.recording(passed, folder)
    assert recording.replay is not None
    replay = recording.replay.model_copy(update={"files": {"rules.yml": rules}})
    return recording.model_copy(update={"replay": replay})


def test_a_recording_tells_what_was_read_what_fired_and_what_was_proven(passed: Recording, tmp_path: Path) -> None:
    recording = recorded(passed, tmp_path)
    found = {one.alert: one for one in proofs_of(recording, judge(recording))}
    began = utc_text(datetime.fromtimestamp(recording.started_at, UTC))
    assert recording.started_at > START
    instants = {name: (one.read_at, one.fired_at) for name, one in found.items()}
    assert instants == {"Queue": (began, began), "Silent": (began, None), "Unread": (None, None)}
    assert found["Silent"].proven_at is None


def expressions(passed: Recording, folder: Path, rules: str) -> str | None:
    recording = passed.model_copy(
        update={"replay": recorded(passed, folder).replay and recorded(passed, folder, rules).replay}
    )
    return next((one.expressions for one in proofs_of(recording, judge(recording)) if one.proven_at), None)


def test_a_proof_is_of_the_expressions_and_of_nothing_else(passed: Recording, tmp_path: Path) -> None:
    (rule,) = (one for one in passed.rules if one.alert == passed.drill.expect[0].alert)
    severity = rule.labels.get("severity", "")

    def rules(expr: str, record: str = "sum(queue)", more: str = "", wait: str = "2m") -> str:
        return (
            "groups:\n- name: shop\n  rules:\n"
            f"  - {{record: 'shop:queue:sum', expr: '{record}'}}\n"
            f"  - {{alert: {rule.alert}, expr: '{expr}', for: {wait}, labels: {{severity: {severity}{more}}}}}\n"
        )

    first = expressions(passed, tmp_path, rules("shop:queue:sum > 50"))
    assert first is not None
    same = [rules("shop:queue:sum  >  50.0"), rules("shop:queue:sum > 50", more=", team: a", wait="9m")]
    assert {expressions(passed, tmp_path, text) for text in same} == {first}
    other = [rules("shop:queue:sum > 51"), rules("shop:queue:sum > 50", record="max(queue)")]
    assert first not in {expressions(passed, tmp_path, text) for text in other}
