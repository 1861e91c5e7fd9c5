"""The plan of a drill spells settings as its file does."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from alertdrill.agent.drilling import dry_run
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.report.words import settings_words
from alertdrill.chaos.toxiproxy.down import Down, DownInjection
from alertdrill.chaos.toxiproxy.latency import Latency


def test_a_plan_has_no_spelling_of_python(passed: Recording) -> None:
    values = {"proxy": "postgres", "latency": "3s", "lasts": "5m", "ramp": {"steps": 3, "over": "1m"}, "repeat": None}
    fault = Latency.model_validate(values | {"cut_connections": True, "toxicity": 1.0})
    injection = DownInjection(toxiproxy_url="http://127.0.0.1:8474", proxy="postgres")
    printed = io.StringIO()
    Console(file=printed, width=200).print(dry_run.render(passed.drill, [(fault, injection)]))
    (line,) = (line for line in printed.getvalue().splitlines() if "latency" in line)
    assert "latency 3s" in line
    assert "ramp {steps: 3, over: 1m}" in line
    assert "cut_connections true" in line
    assert "toxicity 1" in line
    assert not {"None", "True", "'"} & set(line.replace("'", " ' ").split())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("300ms", "300ms"), (True, "true"), (1.0, "1"), (0.25, "0.25"), (3, "3"), ([], "[]"),
        (["sh", "-c", "a, b"], '[sh, "-c", "a, b"]'), ({"a": None, "b": {"c": False}}, "{b: {c: false}}"),
        ({"a": "true", "b": True}, '{a: "true", b: true}'),
        (["127.0.0.1:80", "key: value", ""], '[127.0.0.1:80, "key: value", ""]'),
    ],
)  # fmt: skip
def test_a_setting_is_spelled_as_yaml(value: object, text: str) -> None:
    assert settings_words({"name": value}) == {"name": text}


@pytest.mark.parametrize("width", [60, 80])
def test_a_plan_on_a_narrow_terminal_cuts_no_target(passed: Recording, width: int) -> None:
    fault = Down.model_validate({"proxy": "the-proxy-of-the-database-behind-the-payment-engine-of-the-shop"})
    injection = DownInjection(toxiproxy_url="http://127.0.0.1:8474", proxy=fault.proxy)
    printed = io.StringIO()
    Console(file=printed, width=width, force_terminal=True, no_color=True).print(
        dry_run.render(passed.drill, [(fault, injection)])
    )
    assert "…" not in printed.getvalue()
    rows = [line.split("│") for line in printed.getvalue().splitlines() if line.startswith("│")]
    assert fault.proxy in "".join(row[4].strip() for row in rows)
