"""The recorded drills of the shipped rules: they hold, and are short enough to be read."""

from __future__ import annotations

from pathlib import Path

from alertdrill.agent.config.drill import read_drill
from alertdrill.agent.regression.promtool import Promtool, find_promtool
from alertdrill.agent.regression.replaying import run
from tests.support.promtools import NEWER, needs_newer

CONFIGS = Path(__file__).parents[3] / "configs"
FOLDER = CONFIGS / "regress"


def test_every_shipped_drill_that_expects_an_alert_has_its_file() -> None:
    drills = [read_drill(path) for path in (CONFIGS / "drills").glob("*.yml")]
    assert [one.name for one in drills if not one.expect] == ["control"]
    expected = {f"{one.name}.{alert.alert}.regress.yml" for one in drills for alert in one.expect}
    assert {path.name for path in FOLDER.iterdir()} == expected


def test_every_recorded_drill_holds_with_the_shipped_rules() -> None:
    for result in run(sorted(FOLDER.glob("*.regress.yml")), find_promtool()):
        assert (result.error, result.failures, result.differences) == ("", (), ()), result.path


@needs_newer
def test_every_recorded_drill_holds_with_promtool_3_too() -> None:
    promtool = Promtool(str(NEWER))
    assert promtool.version.startswith("3.")
    for result in run(sorted(FOLDER.glob("*.regress.yml")), promtool):
        assert (result.error, result.failures, result.differences) == ("", (), ()), result.path
        assert any("so both see the same" in note for note in result.notes)


def test_every_file_can_be_read_by_a_person() -> None:
    for path in FOLDER.glob("*.regress.yml"):
        text = path.read_text()
        assert len(text.splitlines()) <= 60
        assert len(text) <= 8 * 1024
