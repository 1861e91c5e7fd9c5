"""What `alertdrill run --lab` makes of a configuration; tests/integration/test_run.py starts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from alertdrill.agent import on_lab
from alertdrill.agent.config.agent import AgentConfig, as_yaml, read_agent_config
from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.config.notify import Notify
from alertdrill.agent.daemon.configured import Configured, read_configured
from alertdrill.agent.daemon.game_day import game_day_drills, game_day_settings

SHIPPED = Path(__file__).parents[3] / "configs/agent.yml"
ADDRESSES = {"alertdrill:9095": "127.0.0.1:1", "payment-engine:8080": "127.0.0.1:2", "prometheus:9090": "127.0.0.1:3"}


def written(config: AgentConfig, folder: Path, time_scale: float = 30) -> Configured:
    """Write the configuration of a game day as the command does, and read it as the agent does."""
    here = on_lab.at_the_lab(config, ADDRESSES, folder / "ledger", time_scale, "hush")
    settings = game_day_settings(here, game_day_drills(config, SHIPPED.parent), folder / "kept")
    path = folder / "agent.yml"
    path.write_text(as_yaml(settings))
    return read_configured(path)


def test_without_a_schedule_the_shipped_drills_take_turns_under_a_load_that_is_enough_for_each(tmp_path: Path) -> None:
    read = written(read_agent_config(SHIPPED), tmp_path)
    (drills,) = read.drills.values()
    assert [drill.name for drill in drills][:2] == ["database-latency", "system-down"]
    assert {one.labels["severity"] for drill in drills for one in drill.expect} == {"critical", "warning"}
    assert read.load.rate == 100
    (entry,) = read.timetable.schedule.entries
    assert (entry.cron, entry.most, entry.order) == ("*/2 * * * *", 1, "stalest")


@pytest.mark.parametrize(
    ("time_scale", "cron"), [(60, "*/1 * * * *"), (15, "*/3 * * * *"), (3.75, "*/15 * * * *"), (1, "0 * * * *")]
)
def test_drills_come_as_often_as_the_longest_of_them_allows(tmp_path: Path, time_scale: float, cron: str) -> None:
    (entry,) = written(read_agent_config(SHIPPED), tmp_path, time_scale).timetable.schedule.entries
    assert entry.cron == cron


def test_the_load_and_the_drills_of_an_own_schedule_are_taken(tmp_path: Path) -> None:
    drill = str(SHIPPED.parent / "drills/control.yml")
    own = {
        "load": {"rate": 40},
        "schedule": {"time_zone": "UTC", "entries": [{"name": "weekly", "drills": [drill], "cron": "@weekly"}]},
    }
    shipped = read_agent_config(SHIPPED).model_dump(by_alias=True, exclude_unset=True)
    read = written(AgentConfig.model_validate(shipped | own), tmp_path)
    assert [drill.name for of_entry in read.drills.values() for drill in of_entry] == ["control"]
    assert read.load.rate == 40


def test_a_lab_tells_nobody_and_leaves_the_history_of_the_real_servers_alone(tmp_path: Path) -> None:
    own = {
        "history": {"url": "sqlite:real.db"},
        "notify": {"targets": [{"webhook": {"url": "http://127.0.0.1:1"}}]},
        "heartbeat": {"url": "http://127.0.0.1:1"},
        "grafana": {"url": "http://127.0.0.1:1", "token": "hush"},
    }
    shipped = read_agent_config(SHIPPED).model_dump(by_alias=True, exclude_unset=True)
    read = written(AgentConfig.model_validate(shipped | own), tmp_path).config
    assert (read.history, read.notify, read.heartbeat) == (HistorySettings(), Notify(), None)
    assert read.grafana is not None
    assert read.grafana.token is None
