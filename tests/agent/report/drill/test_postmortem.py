from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from alertdrill.agent.config.kpis import Kpi
from alertdrill.agent.recording.recording import Recording, read_recording
from alertdrill.agent.recording.records import AuditRecord, FoundRecord, KpiRecord, KpiValueRecord, MoneyRecord
from alertdrill.agent.report.drill import postmortem
from alertdrill.agent.report.drill.follow_ups import BY_LINK, BY_OUTCOME, of_monitoring
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import ChainLink, VerdictOutcome
from simulator import Case
from simulator.drawn import cases, draw_many
from tests.support.simulated_recording import recorded

SAMPLES = Path(__file__).parents[3] / "recordings"


def document(recording: Recording, **changes: object) -> str:
    return postmortem.render(recording.model_copy(update=changes), judge(recording.model_copy(update=changes)), 2.0)


def sample(name: str) -> str:
    return document(read_recording(SAMPLES / f"{name}.recording.json.gz"))


def section(text: str, heading: str) -> str:
    """Return the text below a heading, up to the next heading of its level or above."""
    level = heading.index(" ")
    below = text.split(f"\n{heading}\n")[1]
    return re.split(rf"^#{{1,{level}}} ", below, maxsplit=1, flags=re.MULTILINE)[0].strip()


def test_it_has_every_part_that_the_strategy_requires(passed: Recording) -> None:
    assert re.findall(r"^##? (.*)$", document(passed), re.MULTILINE) == [
        "Post-incident report: slow-database",
        "Time line",
        "Impact",
        "Root cause",
        "Contributing factors",
        "Detection",
        "Follow-ups",
    ]


def test_the_time_line_has_every_event_of_a_real_drill() -> None:
    rows = re.findall(r"^\| (\S+ \S+) \| (\S+) s \| (.*) \|$", section(sample("passed"), "## Time line"), re.MULTILINE)
    assert rows == [
        ("2026-11-25 09:47:33.813", "-6.047", "the load began"),
        ("2026-11-25 09:47:33.813", "-6.047", "baseline began"),
        ("2026-11-25 09:47:39.820", "-0.040", "fault began"),
        ("2026-11-25 09:47:39.860", "+0.000", "fault injected: latency on proxy postgres (downstream)"),
        ("2026-11-25 09:47:43.229", "+3.369", "HighResponseTime pending"),
        ("2026-11-25 09:47:53.229", "+13.369", "HighResponseTime firing"),
        ("2026-11-25 09:47:54.237", "+14.377", "team-lead notified: HighResponseTime firing"),
        ("2026-11-25 09:47:54.468", "+14.608", "fault undone: latency on proxy postgres (downstream)"),
        ("2026-11-25 09:47:54.468", "+14.608", "recovery began"),
        ("2026-11-25 09:48:04.729", "+24.869", "HighResponseTime resolved"),
        ("2026-11-25 09:48:05.860", "+26.000", "the drill ended"),
    ]


def test_the_time_line_has_the_outcome_of_an_undo(passed: Recording) -> None:
    (fault,) = passed.faults
    killed = fault.model_copy(update={"kind": "process", "target": "shop:80 (kill)", "outcome": "back after 1.2 s"})
    assert "fault undone: process on shop:80 (kill), back after 1.2 s" in document(passed, faults=[killed])


def test_the_impact_is_counted_from_the_seconds_of_the_load() -> None:
    impact = section(sample("passed"), "## Impact")
    assert "| fault | 1,400 | 1,188 | 0 |" in impact
    assert "| load, from its first to its last transaction | 3,205 | 1,299 | 0 |" in impact
    assert "- Worst second, failed: 111, at 2026-11-25 09:47:54.814 UTC." in impact
    assert "- Slower than 2.00 s: 626 to 1,422 transactions" in impact
    assert "- Failed by check: 1,299 (took 2.897 s, expected less than 2s)." in impact


def test_money_without_a_record_is_called_unknown(passed: Recording) -> None:
    assert "- Money: unknown, because" in document(passed)


def test_a_fixed_amount_for_each_transaction_gives_an_exact_sum(passed: Recording) -> None:
    money = [MoneyRecord(currency="USD", mean=Decimal("2.50"), share=1, is_exact=True)]
    load = passed.load.model_copy(update={"money": money, "dropped": 10})
    assert passed.load.failed == 420
    assert "- Money in transactions that did not succeed: 1,075.00 USD." in document(passed, load=load)


def test_random_amounts_give_a_mean(passed: Recording) -> None:
    money = [
        MoneyRecord(currency="USD", mean=Decimal(100), share=0.75, is_exact=False),
        MoneyRecord(currency="EUR", mean=Decimal(100), share=0.25, is_exact=False),
    ]
    text = document(passed, load=passed.load.model_copy(update={"money": money}))
    assert "did not succeed: about 31,500.00 USD, 10,500.00 EUR." in text
    assert "so this is their mean times the count" in text


def test_the_cause_is_the_fault_with_its_settings_and_its_length(passed: Recording) -> None:
    cause = section(document(passed), "## Root cause")
    assert (
        "latency on proxy postgres (downstream): `latency 300ms, jitter 20ms`, in force from +0.0 s to +60.0 s (1m)."
        in cause
    )


def test_each_alert_that_detected_the_fault_has_its_windows_beside_it(passed: Recording) -> None:
    detected = section(document(passed), "### Alerts that detected the fault")
    assert r"| OrdersSlow | passed | +15.20 s | \[15.20 … 15.20] | +17.30 s |" in detected
    assert "| pager | +68.20 s |" in detected
    assert section(document(passed), "### Alerts that did not detect it") == "Every expected alert fired in time."


def test_a_silent_alert_has_its_reason_and_an_action(missed: Recording) -> None:
    text = document(missed)
    assert section(text, "### Alerts that detected the fault") == "Nothing."
    assert "- OrdersSlow was expected to fire: never crossed: largest value 0.48" in section(
        text, "### Alerts that did not detect it"
    )
    assert "Not expected to fire, and did not: QueueGrows." in section(text, "### Alerts that did not detect it")
    assert "- OrdersSlow (missed): never crossed: largest value 0.48" in section(text, "## Contributing factors")
    assert "- [ ] OrdersSlow: lower its threshold or shorten its range" in text


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("missed", "HighResponseTime: lower its threshold or shorten its range"),
        ("late", "HighResponseTime: find the longest part of the delay"),
        ("not_notified", "Silenced: end the silence that suppressed it, or narrow its matchers"),
        ("inconclusive", "HighResponseTime: remove what undermined the drill, and run it again"),
    ],
)
def test_each_verdict_other_than_passed_gives_an_action(name: str, action: str) -> None:
    assert f"- [ ] {action}" in section(sample(name), "### Monitoring and alerting rules")


def test_every_broken_link_and_every_outcome_has_an_action() -> None:
    assert set(BY_LINK) == set(ChainLink)
    assert set(BY_OUTCOME) == set(VerdictOutcome) - {VerdictOutcome.PASSED}


def test_an_aborted_drill_must_be_run_again(inconclusive: Recording) -> None:
    text = document(inconclusive)
    assert "the drill ended, aborted: somebody pressed Ctrl-C" in section(text, "## Time line")
    assert "- Undermined: the drill was broken off: somebody pressed Ctrl-C." in section(
        text, "## Contributing factors"
    )
    assert "- [ ] Remove what undermined the drill, and run it again: the drill was broken off" in text


def test_a_lost_transaction_must_be_corrected_first(passed: Recording) -> None:
    audit = AuditRecord(
        acknowledged=9, found=8, missing=FoundRecord(count=1, examples=["t-1"]), balance_before=1, balance_after=1
    )
    text = document(passed, audit=audit)
    assert (
        "- [ ] First of all, correct the payments: 1 of 9 acknowledged transactions not in the payments table: t-1."
        in text
    )


def test_an_alert_that_passed_close_to_the_drills_budget_is_named(passed: Recording) -> None:
    drill = passed.drill.model_dump(by_alias=True)
    drill["expect"][0]["within"] = "16s"
    tight = passed.model_copy(update={"drill": type(passed.drill).model_validate(drill)})
    assert judge(tight).verdicts[0].outcome is VerdictOutcome.PASSED
    close = "OrdersSlow: it fired 15.2 s after the fault, close to the 16 s that the drill allows"
    assert any(line.startswith(close) for line in of_monitoring(tight, judge(tight)))
    assert not any("close to" in line for line in of_monitoring(passed, judge(passed)))


def test_an_allowed_alert_that_fired_needs_a_decision(passed: Recording) -> None:
    assert "- [ ] QueueGrows: it fired as well, which the drill allows; decide" in document(passed)


def test_an_alert_without_a_fault_has_detected_nothing(passed: Recording) -> None:
    text = document(passed, faults=[], aborted="OrdersSlow fired already")
    assert section(text, "### Alerts that detected the fault") == "Nothing."
    assert section(text, "## Root cause") == "No fault was injected."
    assert "| UTC | after the baseline | what happened |" in text
    assert "Inject a fault" not in text
    assert "- [ ] Inject a fault" in document(passed, faults=[])


def test_a_surge_counts_with_its_own_load(passed: Recording) -> None:
    (fault,) = passed.faults
    surge = fault.model_copy(update={"kind": "surge", "target": "orders", "load": passed.load})
    text = document(passed, faults=[surge])
    assert "840 of 28,000 transactions did not succeed: 840 failed, 0 never sent." in text
    assert "| surge of orders, from its first to its last transaction | 14,000 | 420 | 0 |" in text
    assert "- Failed of the surge by timeout: 420 (no answer within 1 s)." in text
    assert "| +60.000 s | surge ended: orders |" in section(text, "## Time line")
    assert "- surge on orders: " in section(text, "## Root cause")


def test_a_quiet_control_needs_no_follow_up(missed: Recording) -> None:
    drill = missed.drill.model_copy(update={"expect": []})
    text = document(missed, drill=drill, faults=[])
    assert "Its verdict is **passed**." in text
    assert "Not expected to fire, and did not: OrdersSlow, QueueGrows." in section(
        text, "### Alerts that did not detect it"
    )
    assert section(text, "## Follow-ups") == "### Monitoring and alerting rules\n\nNone.\n\n### Prevention\n\nNone."


def test_kpis_are_beside_their_targets_for_each_phase(passed: Recording) -> None:
    kpi = Kpi.model_validate({"kpi": "p95", "series": "s", "quantile": 0.95, "unit": "seconds", "objective": "< 0.5"})
    values = [KpiValueRecord(phase="baseline", value=0.02), KpiValueRecord(phase="fault", value=0.66)]
    impact = section(document(passed, kpis=[KpiRecord(kpi=kpi, values=values)]), "## Impact")
    assert "| KPI | baseline | fault | recovery | target |" in impact
    assert r"| p95 | 20 ms ✓ | 660 ms ✗ | no data ? | \< 500 ms |" in impact


def test_text_from_outside_is_not_markup(hostile: Recording) -> None:
    text = document(hostile)
    assert "\x1b" not in text
    assert "\x00" not in text
    assert not re.search(r"(?<!\\)<script>", re.sub(r"`[^`\n]*`", "", text))
    assert not re.search(r"(?<!\\)\[bold\]", re.sub(r"`[^`\n]*`", "", text))


@pytest.fixture(scope="module")
def drawn() -> list[Case]:
    return draw_many(cases(), 12)


@pytest.mark.parametrize("number", range(12))
def test_the_document_of_any_drill_is_complete(drawn: list[Case], number: int) -> None:
    recording = recorded(drawn[number]).recording
    text = document(recording)
    rows = re.findall(r"^\| \S+ \S+ \| ([+-][\d.]+) s \|", section(text, "## Time line"), re.MULTILINE)
    assert len(rows) >= 5
    assert [float(row) for row in rows] == sorted(float(row) for row in rows)
    judgement = judge(recording)
    (firing,) = [m.at for m in judgement.verdicts[0].milestones if m.name == "firing"] or [None]
    fired = firing is not None and firing >= judgement.fault_at
    assert (section(text, "### Alerts that detected the fault") != "Nothing.") is fired
