"""docs/faults.md and docs/kubernetes.md have an example of every fault, and each example is a valid fault."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml

from alertdrill.chaos.registry import FAULTS, INJECTIONS, fault_class, injection_class
from tests.support.breaking import fault

DOCS = Path(__file__).parents[2] / "docs"
PAGE = "".join((DOCS / name).read_text(encoding="utf-8") for name in ("faults.md", "kubernetes.md"))
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
EXAMPLES: list[dict[str, Any]] = [example for block in BLOCKS for example in yaml.safe_load(block)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example["kind"]))
def test_an_example_is_a_fault(example: dict[str, Any]) -> None:
    assert type(fault(**example)) is fault_class(example["kind"])


@pytest.mark.parametrize("kind", FAULTS)
def test_every_kind_has_a_section_with_an_example(kind: str) -> None:
    assert kind in {example["kind"] for example in EXAMPLES}
    assert f"\n## {kind}\n" in PAGE


@pytest.mark.parametrize("kind", FAULTS)
def test_every_injection_can_be_read_from_the_ledger(kind: str) -> None:
    """The name is known where `resolve` stands, so who loads the fault has loaded its injection: the watchdog does that."""
    injection = get_type_hints(fault_class(kind).resolve)["return"]
    assert injection_class(injection.model_fields["kind"].default) is injection


@pytest.mark.parametrize("kind", INJECTIONS)
def test_every_row_of_the_ledger_is_under_its_own_kind(kind: str) -> None:
    assert injection_class(kind).model_fields["kind"].default == kind


def test_a_kind_is_the_name_of_its_file_and_its_class() -> None:
    """A fault with helper files has a folder of that name, and is its file `fault.py`."""
    for kind in FAULTS:
        cls = fault_class(kind)
        assert cls.__module__.removesuffix(".fault").rsplit(".", 1)[-1] == kind
        assert cls.__name__.lower() == kind.replace("_", "")
