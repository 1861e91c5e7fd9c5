"""A folder of several reports opens as a page with a link to each drill."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path

from rich.console import Console

from alertdrill.agent.drilling.session import write_index
from alertdrill.agent.recording.recording import SUFFIX, Recording, recording_path, write_recording
from alertdrill.agent.report.drill import files, index
from alertdrill.agent.verdict.judge import judge


def _add(folder: Path, recording: Recording, name: str, hours: int = 0) -> Path:
    """Write the recording and the reports of a drill that began some hours later."""
    drill = recording.drill.model_copy(update={"name": name})
    path = recording_path(folder, recording.model_copy(update={"drill": drill}))
    path = path.with_name(path.name.replace("T14", f"T{14 + hours}"))
    write_recording(recording, path)
    return files.write(recording.model_copy(update={"drill": drill}), judge(recording), path)


def _cells(page: str) -> list[list[str]]:
    rows = [re.findall(r"<td.*?</td>", row, flags=re.DOTALL) for row in page.split("<tr>")]
    texts = [[" ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in row] for row in rows]
    return [row for row in texts if row]


def test_each_drill_has_its_verdict_its_alerts_its_time_and_a_link(
    tmp_path: Path, passed: Recording, missed: Recording, inconclusive: Recording
) -> None:
    for recording, name in ((passed, "one"), (missed, "two"), (inconclusive, "three")):
        _add(tmp_path, recording, name)
    assert index.write(tmp_path) == tmp_path / "index.html"
    page = (tmp_path / "index.html").read_text()
    assert sorted(_cells(page)) == sorted([
        ["✓ passed", "one", "2026-09-21 14:13:20 UTC", "140 s", "✓ passed OrdersSlow fired +15.20 s after the fault"],
        ["✗ failed", "two", "2026-09-21 14:13:20 UTC", "140 s", "✗ missed OrdersSlow"],
        ["? inconclusive", "three", "2026-09-21 14:13:20 UTC", "140 s",
         "? inconclusive OrdersSlow fired +15.20 s after the fault"],
    ])  # fmt: skip
    assert "1 of 3 passed" in page
    links = re.findall(r'href="\./([^"]*)"', page)
    assert len(links) == 3
    assert all((tmp_path / link).is_file() for link in links)
    assert "script-src" not in page


def test_a_later_try_is_told_beside_its_drill(tmp_path: Path, passed: Recording) -> None:
    _add(tmp_path, passed, "one")
    _add(tmp_path, passed.model_copy(update={"attempt": 2, "time_scale": 7.5}), "one", 1)
    index.write(tmp_path)
    names = [row[1] for row in _cells((tmp_path / "index.html").read_text())]
    assert sorted(names) == ["one", "one at the second try, alone at time scale 7.5"]


def test_one_drill_needs_no_index(tmp_path: Path, passed: Recording) -> None:
    _add(tmp_path, passed, "one")
    assert index.write(tmp_path) is None
    assert not (tmp_path / "index.html").exists()


def test_an_index_is_replaced_and_a_page_of_somebody_else_is_kept(tmp_path: Path, passed: Recording) -> None:
    _add(tmp_path, passed, "one")
    _add(tmp_path, passed, "two", hours=1)
    assert index.write(tmp_path)
    _add(tmp_path, passed, "three", hours=2)
    assert index.write(tmp_path)
    assert "3 of 3 passed" in (tmp_path / "index.html").read_text()
    (tmp_path / "index.html").write_text("my page")
    assert index.write(tmp_path) is None
    assert (tmp_path / "index.html").read_text() == "my page"


def test_a_damaged_report_is_named_and_other_files_are_left_out(tmp_path: Path, passed: Recording) -> None:
    for hours, name in enumerate(("one", "two", "three")):
        page = _add(tmp_path, passed, name, hours)
    page.with_suffix(".json").write_text('{"version": 1')
    (tmp_path / "shop.json").write_text("{}")
    (tmp_path / "shop.html").write_text("a load")
    index.write(tmp_path)
    text = (tmp_path / "index.html").read_text()
    assert f"<li>{page.with_suffix('.json').name}</li>" in text
    assert "2 of 2 passed" in text
    assert "shop" not in text


def test_text_of_a_report_stays_text(tmp_path: Path, hostile: Recording) -> None:
    evil = "<script>alert(1)</script>" + "x" * 10_000
    page = _add(tmp_path, hostile, "one")
    _add(tmp_path, hostile, "two", hours=1)
    report = page.with_suffix(".json")
    report.write_text(report.read_text().replace('"OrdersSlow"', f'"{evil}"'))
    index.write(tmp_path)
    text = (tmp_path / "index.html").read_text()
    assert "<script" not in text
    assert f"{evil[:59]}…".replace("<", "&lt;").replace(">", "&gt;") in text


def test_the_newest_two_hundred_drills_are_listed(tmp_path: Path, passed: Recording) -> None:
    page = _add(tmp_path, passed, "one")
    base = page.name.removesuffix(".html")
    for number in range(201):
        for suffix in (".html", ".json", SUFFIX):
            shutil.copy(
                tmp_path / f"{base}{suffix}", tmp_path / f"new-20270101T00{number // 60:02}{number % 60:02}Z{suffix}"
            )
    index.write(tmp_path)
    text = (tmp_path / "index.html").read_text()
    assert "200 of 200 passed" in text
    assert "2 older drills of this folder are not listed" in text
    assert f"./{page.name}" not in text
    assert len(text) < 250_000


def test_a_run_of_several_drills_tells_where_the_index_is(tmp_path: Path, passed: Recording) -> None:
    for hours, name in enumerate(("one", "two")):
        _add(tmp_path, passed, name, hours)
    printed = io.StringIO()
    console = Console(file=printed, width=200)
    write_index(tmp_path, console, is_told=True)
    assert printed.getvalue() == f"index {tmp_path / 'index.html'}\n"
    write_index(tmp_path, console, is_told=False)
    assert printed.getvalue().count("\n") == 1
