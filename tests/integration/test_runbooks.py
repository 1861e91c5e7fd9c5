"""Every query of every runbook is answered by the lab's Prometheus, and has data where the lab has what it asks for."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
import urllib.request
from typing import Any

import pytest

from alertdrill.units.time_scale import scale_expr
from tests.integration.conftest import ROOT, SCALE, KeptLab

PAGES = sorted(path for path in (ROOT / "configs/runbooks").glob("*.md") if path.name != "README.md")
QUERIES = [
    pytest.param(written, id=f"{path.stem}: {label}")
    for path in PAGES
    for label, written in re.findall(r"^- \[([^\]]+)\]\(\S+\): `(.+)`$", path.read_text(), re.MULTILINE)
]
# This lab has not been up for a week, and has no broker.
WITHOUT_DATA = re.compile(r"offset 1w|kafka_")


def answer(lab: KeptLab, query: str) -> list[Any]:
    server = lab.settings()["prometheus"]["url"]  # type: ignore[index]
    asked = urllib.parse.urlencode({"query": query})
    with urllib.request.urlopen(f"{server}/api/v1/query?{asked}", timeout=60) as response:  # noqa: S310 - the lab's own server
        found = json.load(response)
    assert found["status"] == "success"
    return list(found["data"]["result"])


@pytest.mark.parametrize("written", QUERIES)
def test_a_query_has_data(lab: KeptLab, written: str) -> None:
    query = scale_expr(written, float(SCALE))
    deadline = time.monotonic() + 60  # a range needs two scrapes
    while not (found := answer(lab, query)) and not WITHOUT_DATA.search(written):
        assert time.monotonic() < deadline, query
        time.sleep(0.2)
    assert bool(found) is not bool(WITHOUT_DATA.search(written))
