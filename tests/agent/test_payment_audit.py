"""The ids of a load are in their file at once, and a full disk does not stop the load."""

from __future__ import annotations

from pathlib import Path

import pytest

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.payment_audit import AcknowledgedIds
from tests.support.full_disk import files_of_at_most


def test_other_users_cannot_read_the_file(tmp_path: Path) -> None:
    kept = AcknowledgedIds(tmp_path / "ids.txt", print)
    kept.close()
    assert kept.path.stat().st_mode & 0o777 == 0o600


def test_each_second_is_in_the_file_at_once(tmp_path: Path) -> None:
    kept = AcknowledgedIds(tmp_path / "ids.txt", print)
    kept.keep(["a", "b"])
    assert kept.path.read_text() == "a\nb\n"
    kept.keep([])
    kept.keep(["c"])
    assert kept.path.read_text() == "a\nb\nc\n"
    assert (kept.count, kept.problem) == (3, "")
    kept.close()


@files_of_at_most(1000)
def test_a_full_disk_is_reported_once_and_stops_nothing(tmp_path: Path) -> None:
    reported: list[str] = []
    kept = AcknowledgedIds(tmp_path / "ids.txt", reported.append)
    for _ in range(50):
        kept.keep(["0123456789" * 5])
    kept.close()
    assert len(reported) == 1
    assert "ids.txt cannot be written: File too large" in reported[0]
    assert kept.problem in reported[0]
    assert 0 < kept.count < 50


def test_a_file_that_cannot_be_opened_is_refused_before_the_load(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ids\.txt cannot be written: No such file or directory"):
        AcknowledgedIds(tmp_path / "none" / "ids.txt", print)
