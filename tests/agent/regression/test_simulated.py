"""Recordings of simulated drills become tests that promtool agrees with, and that notice a changed rule.

ALERTDRILL_CASES is the number of cases for each promtool; `make regress-proof` draws five hundred. The simulator is an independent witness: it shares no code with promtool.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from alertdrill.agent.regression.case import Labels, Timeline, stretches
from alertdrill.agent.regression.conversion import NotReplayable
from alertdrill.agent.regression.making import Made, Maker, MakingOptions
from alertdrill.agent.regression.promtool import find_promtool
from alertdrill.agent.regression.regress_file import RegressFile, snapshot
from alertdrill.agent.regression.replaying import run
from simulator import MUTANTS, Absent, Case, Compare, Gauge, Group, Rule, Selector, Service, Stretches, Target
from simulator.drawn import draw_many, plain_cases
from simulator.mutants import RIGHT, Engine
from tests.agent.regression.conftest import OUTCOME
from tests.support.promtools import BOTH, version_of
from tests.support.replayable import rule_file, with_samples
from tests.support.simulated_recording import Simulated, recorded

_CASES = int(os.environ.get("ALERTDRILL_CASES", "20"))
_BATCH = 10
# Those that only notify otherwise have the same timeline.
WRONG = {name: engine for name, engine in MUTANTS.items() if engine.machine is not RIGHT.machine or name == "off-grid"}
# A drawn case may fire at any time, also before its fault or without it; then there is nothing to prove.
_NOTHING_TO_PROVE = ("was never active", "never fired", "the test would fail as it is", "was active already")


def _made(simulated: Simulated, folder: Path, program: str | None = None) -> Made | str:
    recording, rules = with_samples(simulated), rule_file(folder, simulated)
    path = folder / "drawn.recording.json.gz"
    path.write_bytes(b"")
    maker = Maker(path, recording, find_promtool(program), MakingOptions(folder, [rules]))
    try:
        return maker.made(recording.drill.expect[0])
    except NotReplayable as error:
        return str(error)


@pytest.mark.parametrize("program", BOTH)
@pytest.mark.parametrize("batch", range(max(_CASES // _BATCH, 1)))
def test_a_simulated_drill_becomes_a_test_that_notices_a_longer_wait(
    batch: int, program: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    promtool, proven = find_promtool(program), 0
    caught: set[str] = set()
    for number, case in enumerate(draw_many(plain_cases(version=version_of(program)), _BATCH, batch)):
        folder = tmp_path / str(number)
        folder.mkdir()
        made = _made(recorded(case), folder, program)
        if isinstance(made, str):
            reasons = [reason for reason in _NOTHING_TO_PROVE if reason in made]
            assert reasons, (case, made)
            record_property(OUTCOME, f"refused: {reasons[0]}")
            continue
        made.path.write_text(made.text)
        (result,) = run([made.path], promtool)
        assert (result.error, result.failures, result.differences) == ("", (), ()), (case, result)
        noticed = set(_caught(case, made))
        rules = folder / "rules.yml"
        wait = timedelta(milliseconds=case.rule.hold + 2 * case.group.interval)
        rules.write_text(rules.read_text().replace(f"for: {case.rule.hold}ms", f"for: {wait.total_seconds():.0f}s"))
        (changed,) = run([made.path], promtool)
        assert changed.failures or changed.differences, (case, made.text)
        proven += 1
        caught |= noticed
        record_property(OUTCOME, "written")
        for name in noticed:
            record_property(OUTCOME, f"noticed: {name}")
    assert proven
    assert len(caught) >= len(WRONG) // 2


@pytest.mark.parametrize("returns_at", [None, 526_000])
def test_the_series_of_a_target_that_is_gone_end_when_the_server_ended_them(
    tmp_path: Path, returns_at: int | None
) -> None:
    gone_at, interval = 311_000, 15_000
    service = Service((Gauge("queue_length", before=10, during=10),), starts=(-3_600_000,))
    target = Target(
        "api", "1:8080", service, interval=interval, phase=0, timeout=10_000, dropped_at=gone_at, returns_at=returns_at
    )
    rule = Rule("Drawn", Absent(Selector("up", (("job", "api"),))), keep=60_000)
    case = Case(
        "absent", 0, 1_400_000, Stretches(((gone_at, 526_000),)), (target,), rule, Group(interval=10_000, offset=0)
    )
    made = _made(recorded(case), tmp_path)
    assert not isinstance(made, str), made
    assert list(_caught(case, made))
    # The last scrape was at 300 s; 31.5 s later its series were ended.
    (found,) = made.result.found
    assert found.firing == (340_000 - gone_at) / 1000
    assert (found.resolved is None) is (returns_at is None)


def test_a_scrape_that_hangs_is_missed_by_every_evaluation_until_its_timeout(tmp_path: Path) -> None:
    fault = Stretches(((108_000, 213_000),))
    service = Service((Gauge("queue_length", before=10, during=10),), starts=(-3_600_000,), fault=fault, outage="hangs")
    target = Target("api", "1:8080", service, interval=30_000, phase=9_000, timeout=10_000)
    rule = Rule("Drawn", Compare(Selector("up", (("job", "api"),)), "<", 1.0), keep=7_500)
    case = Case("up", 0, 300_000, fault, (target,), rule, Group(interval=5_000, offset=0))
    made = _made(recorded(case), tmp_path)
    assert not isinstance(made, str), made
    # The scrape of 129 s ends at 139 s, after the evaluations of 130 and 135 s.
    assert made.result.found[0].firing == (140_000 - 108_000) / 1000


def _caught(case: Case, made: Made) -> Iterator[str]:
    """Compare a file with the timelines of the simulator; yield the wrong engines that it would notice.

    The right engine does what the file says, and every wrong one whose timeline differs does not.
    """
    file = made.result.file
    right = _timeline(case, RIGHT, file)
    assert snapshot(stretches(right, file.case())) == file.snapshot, (case, made.text)
    for name, engine in WRONG.items():
        if (wrong := _timeline(case, engine, file)) != right:
            assert snapshot(stretches(wrong, file.case())) != file.snapshot, (name, case, made.text)
            yield name


def _timeline(case: Case, engine: Engine, file: RegressFile) -> Timeline:
    """Return what an engine makes of a case, at the evaluations of a file that count."""
    replayed, zero = file.case(), case.fault.of[0][0] - round(file.fault.begins / timedelta(milliseconds=1))
    states: dict[Labels, list[str]] = {}
    for labels, samples in case.run(engine).alerts.items():
        own = tuple(sorted(pair for pair in labels if pair[0] != "alertstate"))
        letter = dict(labels)["alertstate"][0]
        for sample in samples:
            number, off = divmod(sample.at - zero, replayed.evaluation_ms)
            if sample.value is not None and not off and replayed.since <= number < replayed.evaluations:
                states.setdefault(own, ["."] * replayed.evaluations)[number] = letter
    return {labels: "".join(letters) for labels, letters in states.items()}
