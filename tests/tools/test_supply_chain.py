from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tools.supply_chain import differences, pins, why_unknown

ROOT = Path(__file__).parents[2]
A, B = "a" * 64, "b" * 64
PINNED = f"""one==1.0 \\
    --hash=sha256:{A} \\
    --hash=sha256:{B}
two-three==2!1.5+local ; python_full_version < '3.13' \\
    --hash=sha256:{B}
"""


def component(name: str, version: str, *hashes: str) -> dict[str, Any]:
    held = [{"alg": "SHA-256", "content": one} for one in hashes]
    return {"name": name, "version": version, "externalReferences": [{"hashes": held}]}


ONE, TWO = component("one", "1.0", A, B), component("two-three", "2!1.5+local", B)


@pytest.mark.parametrize(
    ("components", "told"),
    [
        ([ONE, TWO], []),
        ([TWO, ONE], []),
        ([TWO], ["one 1.0 is missing"]),
        ([], ["one 1.0 is missing", "two-three 2!1.5+local is missing"]),
        ([component("one", "1.1", A, B), TWO], ["one differs"]),
        ([component("one", "1.0", A), TWO], ["one differs"]),
        ([ONE, TWO, component("more", "1")], ["more is not pinned"]),
    ],
)
def test_an_sbom_has_exactly_the_pinned_packages(components: list[dict[str, Any]], told: list[str]) -> None:
    assert differences(PINNED, json.dumps({"components": components})) == told


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-agent.txt", "constraints-audit.txt"])
def test_every_package_is_pinned_with_hashes(file: str) -> None:
    text = (ROOT / file).read_text()
    pinned = pins(text)
    assert len(pinned) == len(re.findall(r"^\S", text, re.MULTILINE)) > 20
    assert [name for name, (_, hashes) in pinned.items() if not hashes] == []


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ('{"dependencies": [{"name": "a", "version": "1.0", "vulns": [{"id": "b"}]}]}', ""),
        ('{"dependencies": [{"name": "a", "version": "1.0", "vulns": []}]}', "none are known of a 1.0, which has some"),
        ('{"dependencies": [{"name": "a", "skip_reason": "a is not there"}]}', "a is not there"),
        ('{"dependencies": [3]}', "pip-audit could not ask for them"),
        ('{"dependencies": []}', "pip-audit could not ask for them"),
        ("", "pip-audit could not ask for them"),
    ],
)
def test_a_mirror_without_vulnerabilities_is_recognised(found: str, told: str) -> None:
    assert why_unknown(found) == told
