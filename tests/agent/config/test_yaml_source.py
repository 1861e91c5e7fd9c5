from __future__ import annotations

from pathlib import Path

import pytest

from alertdrill.agent.config.agent import read_agent_config
from alertdrill.agent.config.drill import read_drill
from alertdrill.agent.errors import ConfigError
from alertdrill.probes.http.settings import HttpProbe

DRILL = """\
drill: slow
load: {rate: 10}
faults:
  - kind: latency
    proxy: postgres
    latency: 1s
expect:
  - alert: A
"""
AGENT = """\
probe: {kind: http, url: "http://a/", bearer_token: "${TOKEN}"}
prometheus: {url: "http://p"}
alertmanager: {url: "http://a"}
toxiproxy: {url: "http://t"}
"""


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "drill.yml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_drill(path)
    return [problem.removeprefix(f"{path}:") for problem in error.value.problems]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("rate: 10", "rat: 10", "2: load.rat: unknown key, did you mean rate?"),
        ("latency: 1s", "latency: 3", "6: faults[0].latency: 3 has no unit, expected a duration such as"),
        ("latency: 1s", "latncy: 1s", "6: faults[0].latncy: unknown key, did you mean latency?"),
        ("proxy: postgres", "toxicity: 2", "5: faults[0].toxicity: input should be less than or equal to 1"),
        ("kind: latency", "kind: latencyy", "4: faults[0].kind: unknown kind 'latencyy', did you mean latency?"),
        (
            "kind: latency\n    proxy: postgres\n    latency: 1s",
            "kind: slicer\n    proxy: postgres\n    average_size_bytes: 5\n    size_variation_bytes: 9",
            "4: faults[0]: size_variation_bytes 9 would hang the server, expected less than average_size_bytes 5",
        ),
        ("drill: slow", "drill: slow\ndrill: slow", "2: drill: is there twice, expected once"),
        ("drill: slow", "drill: [", ": is not YAML"),
        ("alert: A", "alert: A\n  - alert: A", "alert A is expected twice, expected once"),
        ("drill: slow", 'drill: slow\n"a\\tb\\u202E": 1', r"2: a\tb\u202e: unknown key"),
        ("drill: slow", "drill: '${NOT_SET}'", "1: drill: environment variable NOT_SET is not set"),
    ],
)
def test_an_error_names_line_path_and_what_was_expected(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert any(expected in problem for problem in problems(tmp_path, DRILL.replace(old, new)))


def test_all_errors_of_a_file_are_reported_together(tmp_path: Path) -> None:
    text = DRILL.replace("rate: 10", "rat: 10").replace("latency: 1s", "latency: 5").replace("alert: A", "alarm: A")
    assert len(problems(tmp_path, text)) == 5  # two unknown keys, two missing ones, one bare number


def test_an_empty_file_is_reported(tmp_path: Path) -> None:
    assert problems(tmp_path, "") == ["1: is empty, expected a mapping"]


def test_a_secret_comes_from_the_environment_and_is_never_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "hush")
    path = tmp_path / "agent.yml"
    path.write_text(AGENT)
    loaded = read_agent_config(path)
    assert isinstance(loaded.probe, HttpProbe)
    assert loaded.probe.bearer_token is not None
    assert loaded.probe.bearer_token.get_secret_value() == "hush"
    assert "hush" not in repr(loaded)
    assert "<secret>" in repr(loaded)
    assert "hush" not in loaded.model_dump_json()


def test_a_secret_comes_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hush\n")
    path = tmp_path / "agent.yml"
    path.write_text(AGENT.replace('bearer_token: "${TOKEN}"', "bearer_token_file: token"))
    probe = read_agent_config(path).probe
    assert isinstance(probe, HttpProbe)
    assert probe.bearer_token is not None
    assert probe.bearer_token.get_secret_value() == "hush"


def test_a_missing_secret_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "agent.yml"
    path.write_text(AGENT.replace('bearer_token: "${TOKEN}"', "bearer_token_file: token"))
    with pytest.raises(ConfigError, match="bearer_token_file cannot be read"):
        read_agent_config(path)
