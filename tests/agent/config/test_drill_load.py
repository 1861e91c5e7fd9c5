"""The load of a drill file: its surges."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from alertdrill.agent.config.drill import Drill, read_drill
from alertdrill.agent.errors import ConfigError
from alertdrill.probes.http.settings import HttpProbe

DRILLS = sorted((Path(__file__).parents[3] / "configs/drills").glob("*.yml"))


def _written(tmp_path: Path, load: str) -> Path:
    (tmp_path / "again.yml").write_text("probe: {kind: http, name: again, url: 'http://shop:8080/orders'}\n")
    path = tmp_path / "drill.yml"
    path.write_text(f"drill: surge\nload: {load}\nexpect: [{{alert: HighTPS}}]\n")
    return path


def test_a_surge_has_its_own_probe_and_a_place_on_the_time_line(tmp_path: Path) -> None:
    path = _written(tmp_path, "{rate: 10, surges: [{rate: 200, at: 1m, lasts: 2m, probe: again.yml}]}")
    (surge,) = read_drill(path).scaled(30).load.surges
    assert (surge.rate, surge.at, surge.lasts) == (200, timedelta(seconds=2), timedelta(seconds=4))
    assert surge.target == "200 transactions a second more of again"


@pytest.mark.parametrize(
    ("load", "says"),
    [
        ("{rate: 10, surges: [{rate: 0}]}", "load.surges[0].rate: input should be greater than 0"),
        ("{rate: 10, surges: [{rate: 5, probe: nothing.yml}]}", "nothing.yml: cannot be read"),
        ("{rate: 10, surges: [{rate: 5, lasts: until-fire}]}", "expected"),
    ],
)
def test_an_invalid_surge_is_reported_in_one_line(tmp_path: Path, load: str, says: str) -> None:
    with pytest.raises(ConfigError, match=r"drill\.yml:2: load\.surges") as raised:
        read_drill(_written(tmp_path, load))
    assert any(says in problem for problem in raised.value.problems)


@pytest.mark.parametrize("path", DRILLS, ids=lambda path: path.stem)
def test_a_shipped_drill_is_named_like_its_file_and_can_be_recorded(path: Path) -> None:
    drill = read_drill(path)
    assert drill.name == path.stem
    recorded = drill.scaled(30).model_dump_json(by_alias=True)
    assert Drill.model_validate_json(recorded).model_dump_json(by_alias=True) == recorded


def test_there_is_a_drill_for_each_alert() -> None:
    expected = [one.alert for path in DRILLS for one in read_drill(path).expect]
    assert sorted(expected) == [
        "DatabaseConnectionsExhausted",
        "HighErrorRate",
        "HighMemoryUsage",
        "HighQueueDepth",
        "HighResponseTime",
        "HighTPS",
        "LowCacheHitRate",
        "SystemDown",
    ]


def test_a_recorded_surge_has_no_secrets_and_can_be_read_again() -> None:
    probe = {
        "kind": "http",
        "url": "http://me:hush@shop/pay?token=hush",
        "method": "POST",
        "headers": {"Authorization": "Bearer hush", "X-Reason": "drill"},
        "bearer_token": "hush",
        "json": {"password": "hush", "amounts": [{"value": 3}]},
        "checks": [{"json": "$.token", "matches": "https?://a"}],
        "carry": {"token": "$.token"},
        "then": [{"name": "next", "url": "http://shop/next?key=hush", "headers": {"Cookie": "hush"}}],
    }
    surge = {"rate": 1, "probe": probe}
    drill = Drill.model_validate({"drill": "d", "load": {"rate": 1, "surges": [surge]}, "expect": [{"alert": "A"}]})
    written = drill.model_dump_json(by_alias=True)
    assert "hush" not in written
    kept = Drill.model_validate_json(written).load.surges[0]
    assert kept.target == drill.load.surges[0].target
    assert isinstance(kept.probe, HttpProbe)
    assert kept.probe.headers == {"Authorization": "<secret>", "X-Reason": "drill"}
    assert kept.probe.carry == {"token": "$.token"}
    assert kept.probe.url == "http://<secret>@shop/pay?<secret>"
