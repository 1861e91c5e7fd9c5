"""Recordings of real drills, judged again: each has the same verdict as before, to the millisecond."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alertdrill.agent.cli import app
from alertdrill.agent.recording.recording import read_recording
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import VerdictOutcome

FOLDER = Path(__file__).parents[2] / "recordings"


@dataclass(frozen=True)
class Sample:
    """The expected result of one alert of a recording: seconds from the fault to each milestone, and its reason."""

    name: str
    alert: str
    outcome: VerdictOutcome
    exit_code: int
    came: dict[str, float]
    reason: str

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.recording.json.gz"


SAMPLES = [
    Sample(
        "passed",
        "HighResponseTime",
        VerdictOutcome.PASSED,
        0,
        {"condition": 3.369, "pending": 3.369, "firing": 13.369, "notified": 14.377, "resolved": 24.869},
        "fired in its window, team-lead told, resolved",
    ),
    Sample(
        "missed",
        "HighResponseTime",
        VerdictOutcome.MISSED,
        1,
        {},
        "never crossed: largest value 0.9547, at +9.9 s; it fires at > 2; even a range of 10 s full of it would not do",
    ),
    Sample(
        "late",
        "HighResponseTime",
        VerdictOutcome.LATE,
        1,
        {"condition": 3.345, "pending": 3.345, "firing": 13.345, "notified": 14.35},
        "fired 13.3 s after the fault, the drill allows 8 s: 10.0 s until firing (`for` 10 s in whole evaluations: 10 s), 3.3 s until first bad scrape (until the service showed it and was scraped, every 0.167 s), 1.0 s until received (group_wait 1 s, or group_interval 10 s where the group was known)",
    ),
    Sample(
        "not_notified",
        "Silenced",
        VerdictOutcome.NOT_NOTIFIED,
        1,
        {"condition": 0.488, "pending": 0.488, "firing": 0.488, "resolved": 8.488},
        'pager was never told: fired, but silenced by 16ad7393-9d57-4d81-8c4c-981ac762627d of somebody (alertname="Silenced": planned work)',
    ),
    Sample(
        "inconclusive",
        "HighResponseTime",
        VerdictOutcome.INCONCLUSIVE,
        3,
        {},
        "the fault had no effect on the traffic (p95 0.003 s before, 0.005 s during, as many transactions, as few failures)",
    ),
]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_each_is_judged_as_it_was(sample: Sample) -> None:
    judgement = judge(read_recording(sample.path))
    (verdict,) = (one for one in judgement.verdicts if one.alert == sample.alert)
    fault_at = judgement.fault_at
    came = {one.name: round(one.at - fault_at, 3) for one in verdict.milestones if one.at is not None}
    assert (verdict.outcome, came) == (sample.outcome, sample.came)
    assert verdict.reason == sample.reason
    assert [one.name for one in verdict.milestones if one.judged and one.lawful is False] == []


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_the_exit_code_is_that_of_the_readme(sample: Sample) -> None:
    """0 passed, 1 an expectation was not met, 3 inconclusive."""
    judged = CliRunner().invoke(app, ["judge", str(sample.path), "--no-color"])
    assert judged.exit_code == sample.exit_code
    assert sample.outcome.value.replace("_", " ") in judged.stdout


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_the_verdicts_as_json_are_those_kept_beside_the_recording(sample: Sample) -> None:
    """Byte for byte: scripts read this output, and people quote its sentences."""
    judged = CliRunner().invoke(app, ["judge", str(sample.path), "--json"])
    assert judged.stdout_bytes == (FOLDER / f"{sample.name}.verdicts.json").read_bytes()


def test_every_recording_has_a_row_and_kept_verdicts() -> None:
    names = {sample.name for sample in SAMPLES}
    assert {path.name.removesuffix(".recording.json.gz") for path in FOLDER.glob("*.gz")} == names
    assert {path.name.removesuffix(".verdicts.json") for path in FOLDER.glob("*.verdicts.json")} == names


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.gz")), ids=lambda path: path.name.split(".")[0])
def test_no_recording_is_large_or_has_local_paths(path: Path) -> None:
    assert path.stat().st_size < 100_000
    text = gzip.decompress(path.read_bytes()).decode()
    assert re.findall(r"/(?:tmp|root|home|usr|var|Users)/[^\"]*", text) == []
    assert set(re.findall(r'"instance": ?"([^:"]*)', text)) <= {"127.0.0.1"}
