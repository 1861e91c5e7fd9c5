"""No entry of a ledger is without an end: each fault in each situation, on real servers, as the page promises it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import pytest

from alertdrill.agent.drilling.lock import locked
from alertdrill.agent.errors import ConfigError
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.registry import fault_class
from crashing import situations
from crashing.situations import COLUMNS, PAGE, TABLE, Observed
from crashing.targets import TARGETS

# Of the kinds of toxics one is tried: they differ only in their attributes.
_TOXICS = {"latency, connections cut", "bandwidth", "limit_data", "reset_peer", "slicer", "slow_close", "timeout"}


@pytest.fixture(scope="module")
def rows() -> Iterator[Mapping[str, Future[dict[str, Observed]]]]:
    """Most of the time is waiting, so several rows are tried at once; processes, because of toxiproxy-python."""
    with ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as pool:
        yield {fault: pool.submit(situations.observed, fault) for fault in TABLE}


@pytest.mark.parametrize("fault", TABLE)
def test_each_fault_ends_in_each_situation_as_the_table_says(
    fault: str, rows: Mapping[str, Future[dict[str, Observed]]]
) -> None:
    found = rows[fault].result()
    promised = {column: one for column, one in TABLE[fault].items() if one.end != "does not apply"}
    assert found.keys() == promised.keys()
    for column, promise in promised.items():
        assert found[column].problems == [], column
        assert found[column].end == promise.end, (column, found[column])
        assert promise.said in found[column].said, column


def test_the_table_has_every_fault_of_the_crash_matrix_and_the_page_has_the_table() -> None:
    assert TABLE.keys() == TARGETS.keys() - _TOXICS
    assert all(promises.keys() == COLUMNS.keys() for promises in TABLE.values())
    page = PAGE.read_text(encoding="utf-8")
    assert situations.table() in page
    assert situations.written(page) == page


@pytest.mark.parametrize("fault", TABLE)
def test_on_one_machine_the_lock_refuses_the_second_drill_before_anything_broke(fault: str, tmp_path: Path) -> None:
    class_, settings = TARGETS[fault]
    given = class_(tmp_path, settings).fault
    made = fault_class(given["kind"]).model_validate(given)
    servers = made.servers(Endpoints(toxiproxy_url="http://127.0.0.1:1"))
    with locked(tmp_path, servers, "one"), pytest.raises(ConfigError, match="drill one of process"):  # noqa: SIM117
        with locked(tmp_path, servers, "two"):
            pass
