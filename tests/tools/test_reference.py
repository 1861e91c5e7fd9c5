"""The reference has every key that the files may have, and its examples are accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from pydantic import TypeAdapter

from tests.support.certificates import make_certificates
from tools import reference

PAGE = Path(__file__).parents[2] / "docs/reference.md"


def test_the_page_is_up_to_date() -> None:
    """If this fails, run `make docs`."""
    assert PAGE.read_text(encoding="utf-8") == reference.render()


@pytest.mark.parametrize("heading", ["agent.yml", "drill file", "probe file", "drill file: faults of kind latency"])
def test_each_file_and_each_kind_has_a_section(heading: str) -> None:
    assert f" {heading}\n" in reference.render()


def _examples() -> list[Any]:
    return [pytest.param(*one, id=f"{one[0]}-{one[1]}") for one in reference.examples()]


@pytest.mark.parametrize(("model", "key", "info", "text"), _examples())
def test_the_example_of_a_key_is_accepted(model: str, key: str, info: Any, text: str, tmp_path: Path) -> None:
    del model, key
    for name in ("webhook", "prometheus", "ci", "slack-url", "ops-url", "heartbeat-url"):
        (tmp_path / "secrets" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "secrets" / name).write_text("https://hush.example/hush")
    if "tls/server.crt" in text:
        (tmp_path / "tls").mkdir()
        make_certificates(tmp_path / "tls")
    shape = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    context = {"directory": tmp_path, "file": tmp_path / "a.yml"}
    TypeAdapter(shape).validate_python(yaml.safe_load(text), context=context)
