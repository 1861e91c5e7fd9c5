"""Earlier runs are kept, even if the file's last line is incomplete."""

from __future__ import annotations

from pathlib import Path

import pytest

from alertdrill.agent.commands.kpi import with_history
from alertdrill.agent.config.agent import read_agent_config
from alertdrill.agent.config.kpis import Kpi
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.scorecard import earlier_runs
from alertdrill.agent.scorecard.card import Card, Reading, Score
from alertdrill.agent.scorecard.earlier_runs import CardRun, KpiValue


def card(at: float, *values: float) -> Card:
    return Card(at, 300, (Score(Kpi(kpi="p95", series="a"), "a", tuple(Reading(value) for value in values)),))


def add(path: Path, *cards: Card) -> None:
    for one in cards:
        earlier_runs.add(path, earlier_runs.read(path), one)


def test_an_added_card_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "kpis.jsonl"
    add(path, card(1, 0.5), card(2, 0.25))
    assert [(run.at, run.values[0].value) for run in earlier_runs.read(path)] == [(1, 0.5), (2, 0.25)]


def test_other_users_cannot_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "kpis.jsonl"
    add(path, card(1, 0.5))
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_was_opened_to_others_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "kpis.jsonl"
    add(path, card(1, 0.5))
    path.chmod(0o640)
    add(path, card(2, 0.5))
    assert path.stat().st_mode & 0o777 == 0o640


def test_the_same_instant_is_kept_once(tmp_path: Path) -> None:
    """Measuring the same instant again with --at adds no run."""
    path = tmp_path / "kpis.jsonl"
    add(path, card(1, 0.5), card(1, 0.5))
    assert len(earlier_runs.read(path)) == 1


def test_a_card_without_any_data_is_not_kept(tmp_path: Path) -> None:
    add(tmp_path / "kpis.jsonl", card(1))
    assert not (tmp_path / "kpis.jsonl").exists()


def test_an_incomplete_line_is_replaced_by_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "kpis.jsonl"
    add(path, card(1, 0.5))
    path.write_text(path.read_text() + '{"at": 2, "wind')
    assert [run.at for run in earlier_runs.read(path)] == [1]
    add(path, card(3, 0.5))
    assert [run.at for run in earlier_runs.read(path)] == [1, 3]


def test_an_invalid_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "kpis.jsonl"
    add(path, card(1, 0.5))
    path.write_text(path.read_text() + '{"at": 2}\n')
    with pytest.raises(ConfigError, match=r"kpis.jsonl:2: is not a run of KPIs: .*; delete the line, or the file"):
        earlier_runs.read(path)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="set another --history"):
        earlier_runs.add(tmp_path / "file" / "kpis.jsonl", [], card(1, 0.5))


def test_runs_of_another_machine_are_in_the_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two machines have files of their own, and one database; without it, the file counts alone."""
    path = tmp_path / "agent.yml"
    path.write_text(
        "probe: {kind: tcp, url: 'tcp://127.0.0.1:1'}\nprometheus: {url: 'http://127.0.0.1:1'}\n"
        "history: {url: 'sqlite:h.db'}\n"
    )
    config = read_agent_config(path)
    mine, theirs = (
        CardRun(at=at, window_seconds=300, values=[KpiValue(kpi="errors", value=at)]) for at in (20.0, 10.0)
    )
    assert with_history(config, "kpis.jsonl", [theirs]) == [theirs]
    assert with_history(config, "kpis.jsonl", [mine]) == [theirs, mine]
    assert with_history(config, "kpis-lab.jsonl", []) == []
    (tmp_path / "h.db").write_bytes(b"no database" * 999)
    assert with_history(config, "kpis.jsonl", [mine]) == [mine]
    assert "trends are those of kpis.jsonl alone" in capsys.readouterr().err
