from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from alertdrill.agent.cli import app
from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.history.apart import reading_apart
from alertdrill.agent.history.connection import Database, HistoryUnavailable
from alertdrill.agent.history.database import opened
from alertdrill.agent.history.index import (
    IndexedRun,
    Proof,
    catch_up,
    indexed,
    memory,
    proofs,
    read_run,
    rebuild,
    save_occurrences,
    save_runs,
    standing,
)
from alertdrill.agent.history.schema import INDEX_TABLES
from alertdrill.agent.recording.recording import Recording, write_recording
from alertdrill.agent.schedule.journal import Journal, recorded
from alertdrill.agent.schedule.occurrences import Occurrence
from alertdrill.agent.verdict.judge import judge
from tests.support.processes import children, command_line
from tests.support.schedules import at, entry

SAMPLES = Path(__file__).parents[2] / "recordings"
DAY = 86_400.0


def rows(database: Database) -> dict[str, list[tuple[object, ...]]]:
    return {table: sorted(database.execute(f"SELECT * FROM {table}")) for table in INDEX_TABLES}  # noqa: S608


def at_file(path: Path) -> HistorySettings:
    return HistorySettings(url=f"sqlite:{path}")


def later(recording: Recording, days: float, expr: str | None = None) -> Recording:
    """Return a run of which only the start is later, and the expression of its rules another."""
    rules = recording.rules
    if expr is not None:
        rules = [rule.model_copy(update={"expr": expr}) for rule in rules]
    at_start = recording.started_at + days * DAY
    return recording.model_copy(update={"started_at": at_start, "ended_at": at_start + 1, "rules": rules})


def saved(database: Database, *recordings: Recording, judged: Recording) -> None:
    """Index recordings, all with the judgement of one of them: moved in time they could not be judged."""
    judgement = judge(judged)
    for one in recordings:
        run = indexed(one, judgement)
        expressions = {row[2:4]: row[4] for row in run.rows["rule"]}
        proven = [
            (run.id, *row[1:4], expressions[row[2:4]], one.started_at)
            for row in indexed(judged, judgement).rows["proof"]
        ]
        save_runs(database, type(run)(run.id, run.rows | {"proof": proven}))


@pytest.fixture
def database(tmp_path: Path):  # noqa: ANN201
    with opened(at_file(tmp_path / "h.db"), tmp_path) as database:
        yield database


def test_a_run_has_its_verdicts_rules_and_proofs(database: Database, passed: Recording) -> None:
    save_runs(database, indexed(passed, judge(passed)))
    (verdict,) = database.execute("SELECT alert, outcome, expected, firing_at - fault_at FROM verdict")
    assert verdict[:3] == ("OrdersSlow", "passed", 1)
    assert verdict[3] == pytest.approx(15.2)
    assert proofs(database) == [
        Proof("OrdersSlow", "page", passed.started_at, passed.started_at, "slow-database", None),
        Proof("QueueGrows", "page", passed.started_at, None, None, None),
    ]
    known = memory(database)
    assert known.proven == {"OrdersSlow": {"page": datetime.fromtimestamp(passed.started_at, UTC)}}
    assert known.ran == {"slow-database": datetime.fromtimestamp(passed.started_at, UTC)}


def test_an_alert_that_was_missed_is_not_proven(database: Database, missed: Recording) -> None:
    save_runs(database, indexed(missed, judge(missed)))
    assert [one.proven_at for one in proofs(database)] == [None, None]
    assert memory(database).proven == {}


def test_the_last_conclusive_verdicts_are_known_and_how_often_a_drill_was_inconclusive_since(
    database: Database, passed: Recording, missed: Recording
) -> None:
    def run(recording: Recording, days: float, outcome: str = "", code: int = 3) -> None:
        one = indexed(later(recording, days), judge(recording))
        given = {"passed", "missed"}
        rows = [tuple(outcome if value in given else value for value in row) for row in one.rows["verdict"]]
        (values,) = one.rows["run"]
        runs = [(*values[:5], code, *values[6:])]
        save_runs(database, type(one)(one.id, one.rows | {"run": runs, "verdict": rows if outcome else []}))

    assert standing(database).latest == ()
    run(passed, 0, "passed", code=0)
    run(missed, 1, "unexpected", code=1)
    run(missed, 2, "inconclusive")
    run(missed, 3)
    found = standing(database)
    assert [(one.alert, one.drill, one.outcome) for one in found.latest] == [
        ("OrdersSlow", "slow-database", "unexpected")
    ]
    assert found.unexpected == (("slow-database", ("OrdersSlow",)),)
    assert found.inconclusive == (("slow-database", 2),)
    run(passed, 4, "passed", code=0)
    found = standing(database)
    assert [one.outcome for one in found.latest] == ["passed"]
    assert (found.unexpected, found.inconclusive) == ((("slow-database", ()),), (("slow-database", 0),))


def test_another_expression_voids_the_proof_and_the_old_one_again_does_not(
    database: Database, passed: Recording, missed: Recording
) -> None:
    save_runs(database, indexed(passed, judge(passed)))
    saved(database, later(missed, 1, "orders:p95_seconds > 0.9"), judged=missed)
    voided = proofs(database)[0]
    assert (voided.proven_at, voided.drill, voided.voided_at) == (None, None, passed.started_at)
    assert memory(database).proven == {}
    saved(database, later(missed, 2), judged=missed)
    assert proofs(database)[0].proven_at == passed.started_at
    assert proofs(database)[0].voided_at is None


def test_a_lab_with_another_time_scale_proves_nothing_here(database: Database, passed: Recording) -> None:
    save_runs(database, indexed(passed.model_copy(update={"time_scale": 30.0}), judge(passed)))
    assert proofs(database) == []
    assert proofs(database, 30.0)[0].proven_at == passed.started_at


def test_a_process_of_its_own_reads_recordings_as_this_one_does_and_its_death_is_no_fault_of_a_file(
    tmp_path: Path,
) -> None:
    one, *_ = sorted(SAMPLES.glob("*.recording.json.gz"))
    (tmp_path / "cut.recording.json.gz").write_bytes(one.read_bytes()[:999])
    with reading_apart() as read:
        found, here = read(one), read_run(one)
        assert isinstance(found, IndexedRun)
        assert isinstance(here, IndexedRun)
        assert (found.id, found.rows["run"][0]) == (here.id, list(here.rows["run"][0]))
        assert read(tmp_path / "cut.recording.json.gz") == read_run(tmp_path / "cut.recording.json.gz")
        (pid,) = (one for one in children(os.getpid()) if "history.apart" in command_line(one))
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(HistoryUnavailable, match="the process that reads it ended with -9"):
            read(one)


def test_a_rebuilt_history_is_equal_to_one_that_grew_run_by_run(tmp_path: Path) -> None:
    folder, names = tmp_path / "recordings", sorted(SAMPLES.glob("*.recording.json.gz"))
    folder.mkdir()
    random.Random(1).shuffle(names)  # noqa: S311 - another order than that of a rebuild
    journal = Journal(folder)
    with (
        opened(at_file(tmp_path / "grown.db"), folder) as grown,
        opened(at_file(tmp_path / "new.db"), folder) as rebuilt,
    ):
        for number, path in enumerate(names):
            shutil.copy2(path, folder)
            one = Occurrence(entry(), at("2026-06-02T08:00"), at("2026-06-02T08:00"))
            line = recorded(one, "running" if number == 0 else "done", at("2026-06-02T08:00"))
            journal.add(line)
            if number % 2:
                save_occurrences(grown, [line])
            catch_up(grown, folder)
        (folder / "cut.recording.json.gz").write_bytes(names[0].read_bytes()[:999])
        assert len(catch_up(grown, folder).problems) == 1
        assert catch_up(grown, folder).problems == ()
        made = rebuild(rebuilt, folder)
        assert (made.recordings, made.occurrences, len(made.problems)) == (len(names), 1, 1)
        assert rows(rebuilt) == rows(grown)
        assert len(rows(grown)["run"]) == len(names)
        rebuild(rebuilt, folder)
        assert rows(rebuilt) == rows(grown)


def test_a_copy_of_a_recording_is_no_second_run(tmp_path: Path, passed: Recording) -> None:
    write_recording(passed, tmp_path / "a.recording.json.gz")
    (tmp_path / "below").mkdir()
    write_recording(passed, tmp_path / "below" / "b.recording.json.gz")
    with opened(at_file(tmp_path / "h.db"), tmp_path) as database:
        assert catch_up(database, tmp_path).recordings == 2
        assert len(rows(database)["run"]) == 1
        assert len(rows(database)["recording"]) == 2


def test_a_recording_that_was_replaced_is_one_run(tmp_path: Path, passed: Recording, missed: Recording) -> None:
    path = tmp_path / "a.recording.json.gz"
    passed = passed.model_copy(update={"rules": passed.rules[:1]})
    with opened(at_file(tmp_path / "h.db"), tmp_path) as database:
        write_recording(passed, path)
        write_recording(passed, tmp_path / "copy.recording.json.gz")
        catch_up(database, tmp_path)
        write_recording(missed, path)
        catch_up(database, tmp_path)
        assert len(rows(database)["run"]) == 2, "the copy still has the first run"
        write_recording(missed, tmp_path / "copy.recording.json.gz")
        catch_up(database, tmp_path)
        assert [row[4] for row in rows(database)["verdict"]] == ['{"severity": "page"}']
        grown = rows(database)
        rebuild(database, tmp_path)
        assert rows(database) == grown


def history(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["history", *map(str, arguments)])


AGENT = """\
probe: {kind: tcp, url: "tcp://127.0.0.1:1", timeout: 1s}
prometheus: {url: "http://127.0.0.1:1"}
alertmanager: {url: "http://127.0.0.1:1"}
toxiproxy: {url: "http://127.0.0.1:1"}
recordings: kept
freshness: {prove_within: {page: 30d}}
history: {url: "sqlite:index/h.db"}
"""


def test_the_command_shows_runs_proofs_and_occurrences_and_makes_a_damaged_history_again(
    tmp_path: Path, passed: Recording
) -> None:
    config = tmp_path / "agent.yml"
    config.write_text(AGENT)
    write_recording(passed, tmp_path / "kept" / "a.recording.json.gz")
    line = recorded(Occurrence(entry(), at("2026-06-02T08:00"), at("2026-06-02T08:00")), "done", at("2026-06-02T09:00"))
    Journal(tmp_path / "kept").add(line)
    assert "slow-database  0          OrdersSlow passed" in history("--config", config).stdout
    assert "OrdersSlow" in history("proofs", "--config", config).stdout
    (proof, _) = json.loads(history("proofs", "--config", config, "--json").stdout)
    assert proof["prove_by_at"] - proof["proven_at"] == 30 * DAY
    assert proof["age_seconds"] == pytest.approx(time.time() - passed.started_at, abs=3600)
    assert json.loads(history("runs", "--since", "1d", "--config", config, "--json").stdout) == []
    assert json.loads(history("load", "--config", config, "--json").stdout) == []
    (run,) = json.loads(history("runs", "--config", config, "--json").stdout)
    assert run["recording"] == "a.recording.json.gz"
    for name in ("slow-database", run["id"][:8]):
        ended = CliRunner().invoke(app, ["report", name, "--config", str(config)])
        assert ended.exit_code == 0, ended.output
        assert (tmp_path / "kept" / "a.html").exists()
    ended = CliRunner().invoke(app, ["report", "other", "--config", str(config)])
    assert ended.exit_code == 2
    assert "other: is neither a file nor a drill or run in the history" in ended.stderr
    written = history("proofs", "--config", config, "--write", tmp_path / "proofs.json")
    # The recording is of version 2, which has no recording rules.
    assert written.stdout == f"0 proof(s) of 0 alert(s) added to {tmp_path / 'proofs.json'}\n"
    assert (tmp_path / "proofs.json").read_text() == '{"version": 1, "proofs": [\n\n{}]}\n'
    assert history("--write", "x", "--config", config).exit_code == 2
    assert '"state": "done"' in history("occurrences", "--config", config, "--json").stdout
    (tmp_path / "index" / "h.db").write_bytes(b"SQLite format 3\0" + b"x" * 4096)
    ended = history("--config", config)
    assert ended.exit_code == 2
    assert "h.db: " in ended.stderr
    ended = history("rebuild", "--config", config)
    assert ended.exit_code == 0, ended.output
    assert "h.db was damaged" in ended.stdout
    assert "1 recording(s) and 1 occurrence(s) in" in " ".join(ended.stdout.split())
    assert "slow-database" in history("--config", config).stdout
