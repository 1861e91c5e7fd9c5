"""How short of processor time the machine is, from files as kernels write them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from alertdrill.units.processor_time import Counters, Strain, counters, strain


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_every_counter_is_read_in_seconds(tmp_path: Path) -> None:
    files = {
        "proc/stat": "cpu  400 100 200 1000 300 10 20 70 50 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n",
        "proc/pressure/cpu": "some avg10=1.00 avg60=0.50 avg300=0.10 total=2500000\nfull avg10=0.00 total=9\n",
        "proc/self/schedstat": "8000000000 1250000000 77\n",
        "proc/self/cgroup": "0::/agent\n",
        "sys/fs/cgroup/agent/cpu.stat": "usage_usec 5\nnr_periods 9\nnr_throttled 3\nthrottled_usec 750000\n",
    }
    found = counters(root=_write(tmp_path, files))
    assert (found.total, found.idle, found.stolen) == (21.0, 13.0, 0.7)
    assert (found.contended, found.queued, found.throttled) == (2.5, 1.25, 0.75)


def test_another_process_has_its_own_waits(tmp_path: Path) -> None:
    files = {"proc/self/schedstat": "0 1000000000 1\n", "proc/42/schedstat": "0 3000000000 1\n"}
    root = _write(tmp_path, files)
    assert (counters(root=root).queued, counters(42, root).queued) == (1.0, 3.0)


@pytest.mark.parametrize(
    ("cgroup", "folder"),
    [
        ("3:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n", "cpu,cpuacct/docker/abc"),
        ("3:cpu,cpuacct:/docker/abc\n", "cpu,cpuacct"),  # a container sees its own group as the root
        ("3:cpu:/\n0::/\n", "cpu"),
    ],
)
def test_control_groups_of_the_first_version_count_in_nanoseconds(tmp_path: Path, cgroup: str, folder: str) -> None:
    stat = "nr_periods 9\nnr_throttled 3\nthrottled_time 1500000000\n"
    root = _write(tmp_path, {"proc/self/cgroup": cgroup, f"sys/fs/cgroup/{folder}/cpu.stat": stat})
    assert counters(root=root).throttled == 1.5


def test_a_group_above_that_is_held_back_counts(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/pod/agent\n",
        "sys/fs/cgroup/pod/agent/cpu.stat": "throttled_usec 100000\n",
        "sys/fs/cgroup/pod/cpu.stat": "throttled_usec 900000\n",
    }
    assert counters(root=_write(tmp_path, files)).throttled == 0.9


def test_what_a_kernel_does_not_report_is_unknown(tmp_path: Path) -> None:
    found = counters(root=tmp_path)
    assert (found.total, found.contended, found.throttled, found.queued) == (0.0, None, None, None)
    assert strain(found, replace(found, at=found.at + 1)) == Strain(seconds=1.0, busy=0.0, stolen=0.0)


_BEFORE = Counters(at=10, total=100, idle=50, stolen=1, contended=5, throttled=0, queued=1)


def test_two_readings_give_shares_of_the_time_between() -> None:
    after = Counters(at=12, total=104, idle=51, stolen=2, contended=6.5, throttled=3, queued=1.5)
    found = strain(_BEFORE, after)
    assert found == Strain(seconds=2, busy=0.75, stolen=0.25, contended=0.75, throttled=1.0, queued=0.25)
    assert str(found) == (
        "75% used, 25% taken by the host, 75% waited for by programs, 100% withheld by the control group,"
        " 25% waited for by this one"
    )


@pytest.mark.parametrize(
    ("found", "is_short"),
    [
        (Strain(seconds=1, busy=1.0, stolen=0.0, contended=0.1, throttled=0.0, queued=0.0), False),
        (Strain(seconds=1, busy=0.5, stolen=0.0, contended=0.9), False),
        (Strain(seconds=1, busy=0.95, stolen=0.0, contended=0.9), True),
        (Strain(seconds=1, busy=0.3, stolen=0.3), True),
        (Strain(seconds=1, busy=0.3, stolen=0.0, throttled=0.3), True),
        (Strain(seconds=1, busy=0.3, stolen=0.0, queued=0.3), True),
    ],
)
def test_a_machine_is_short_of_time_if_much_of_it_was_taken_or_all_of_it_contended(
    found: Strain,
    *,
    is_short: bool,
) -> None:
    assert found.is_short is is_short


def test_counters_that_ran_backwards_count_as_unchanged() -> None:
    after = replace(_BEFORE, at=11, total=102, idle=49, stolen=0.5, queued=0.5)
    assert strain(_BEFORE, after) == Strain(seconds=1, busy=1.0, stolen=0, contended=0, throttled=0, queued=0)


def test_this_machine_has_counters() -> None:
    found = counters()
    assert found.total >= found.idle > 0
