"""What the pages show of guards is read as it stands there, and allows and forbids what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from alertdrill.agent.config.drill import Drill
from alertdrill.chaos.guard import Guards
from tests.support.breaking import fault

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "guards.md").read_text(encoding="utf-8")
DRILL = {"drill": "d", "load": {"rate": 1}, "expect": [{"alert": "A"}]}


def examples() -> list[dict[str, object]]:
    blocks = re.findall(r"(?:^    .*\n)+", PAGE, re.MULTILINE)
    return [yaml.safe_load(block) for block in blocks if not block.lstrip().startswith(("alertdrill ", "touch "))]


def test_every_example_is_read() -> None:
    guards, ends, faults = examples()
    assert Guards.model_validate(guards["guards"]).most_faults == 2
    assert Drill.model_validate(DRILL | ends).silence_others
    assert [fault.kind for fault in Drill.model_validate(DRILL | faults).faults] == ["latency", "down", "reset_peer"]


def named(page: str, sentence: str) -> list[str]:
    """Return the patterns that a sentence of a page names."""
    (line,) = [line for line in (DOCS / page).read_text(encoding="utf-8").splitlines() if sentence in line]
    return re.findall(r"`([^` ]+:[^`]+)`", line)


def proxy(name: str) -> dict[str, Any]:
    return {"kind": "latency", "proxy": name, "latency": "1s"}


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        (proxy("postgres"), ""),
        (proxy("redis"), ""),
        (proxy("kafka"), "is in none of guards.allowed"),
        (proxy("redis-billing"), "is forbidden by guards.forbidden: '*billing*'"),
        (proxy("billing"), "is forbidden by guards.forbidden: '*billing*'"),
        ({"kind": "cpu"}, "is in none of guards.allowed"),
    ],
)
def test_the_guards_of_the_page_allow_two_proxies_and_nothing_else(target: dict[str, Any], problem: str) -> None:
    guards = Guards.model_validate(examples()[0]["guards"])
    written = fault(**target).target
    assert problem in guards.target_problem(written, written)
    assert bool(problem) == bool(guards.target_problem(written, written))


def test_the_patterns_of_the_page_on_faults_match_the_targets_that_they_name() -> None:
    patterns = named("faults.md", "The patterns of `guards`")
    assert len(patterns) == 2
    guards = Guards(allowed=tuple(patterns))
    redis = fault(kind="redis", url="redis://redis:6379", action="block", at_most="1m").target
    process = fault(kind="process", action="stop", port="payment-engine:8080").target
    for written in (redis, process):
        assert not guards.target_problem(written, written)
    other = fault(kind="redis", url="redis://cache:6379", action="block", at_most="1m").target
    assert guards.target_problem(other, other)


KUBERNETES: dict[str, dict[str, Any]] = {
    "pods": {"kind": "kill_pods", "namespace": "shop", "selector": "app=engine"},
    "workload": {"kind": "scale", "namespace": "shop", "workload": "deployment/engine", "replicas": 0},
    "nodes": {"kind": "cordon", "selector": "pool=drill"},
}


def test_the_guards_of_the_page_on_kubernetes_allow_the_faults_of_its_table() -> None:
    page = (DOCS / "kubernetes.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^    guards:\n(?:^      .*\n)+", page, re.MULTILINE)
    guards = Guards.model_validate(yaml.safe_load(block)["guards"])
    rows = re.findall(r"^\| `(\w+)`, .* \| `(.*)` \| `(.*)` \|$", page, re.MULTILINE)
    assert [kind for kind, _, _ in rows] == [one["kind"] for one in KUBERNETES.values()]
    for (_, written, found), settings in zip(rows, KUBERNETES.values(), strict=True):
        assert fault(**settings).target == written
        assert guards.target_problem(written, found) == ""
    cache = fault(**KUBERNETES["pods"] | {"selector": "app=cache"}).target
    assert "is in none of guards.allowed" in guards.target_problem(cache, "namespace shop: pods cache-1")
    assert "is forbidden" in guards.target_problem(rows[0][1], "namespace shop: pods billing-1")
