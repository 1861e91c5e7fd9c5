"""The recorded drills of the shipped rules: they hold, and are short enough to be read."""

from __future__ import annotations

from pathlib import Path

from alertdrill.agent.regression.promtool import Promtool, find_promtool
from alertdrill.agent.regression.replaying import run
from tests.support.promtools import NEWER, needs_newer

FOLDER = Path(__file__).parents[3] / "configs" / "regress"


def test_every_recorded_drill_holds_with_the_shipped_rules() -> None:
    paths = sorted(FOLDER.glob("*.regress.yml"))
    assert len(paths) > 6
    for result in run(paths, find_promtool()):
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
