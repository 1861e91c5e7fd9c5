"""A drill or a probe file by its bare name."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from alertdrill.agent.commands.options import named


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("database-latency", "control"):
        (tmp_path / "drills" / f"{name}.yml").parent.mkdir(exist_ok=True)
        (tmp_path / "drills" / f"{name}.yml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "drills"


def test_a_bare_name_is_a_file_of_the_folder(folder: Path) -> None:
    assert named(Path("control"), folder) == folder / "control.yml"


@pytest.mark.parametrize("path", ["control.yml", "other/control", "./drills/control.yml", "/control"])
def test_anything_else_is_a_path(folder: Path, path: str) -> None:
    assert named(Path(path), folder) == Path(path)


def test_a_file_of_that_name_comes_first(folder: Path) -> None:
    Path("control").touch()
    assert named(Path("control"), folder) == Path("control")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("databse-latency", "did you mean database-latency?"),
        ("x", "expected a file or one of: control, database-latency"),
    ],
)
def test_an_unknown_name_is_a_usage_error_with_the_names_there_are(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, hint: str
) -> None:
    with pytest.raises(typer.Exit) as ended:
        named(Path(name), folder)
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == f"alertdrill: {name}: not found, neither here nor in {folder}, {hint}\n"


def test_without_the_folder_the_name_is_a_path(tmp_path: Path) -> None:
    assert named(Path("control"), tmp_path / "missing") == Path("control")
