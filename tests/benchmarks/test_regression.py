"""Rules of one's own instead of a public collection."""

from __future__ import annotations

from pathlib import Path

from benchmarks.regression.__main__ import table
from benchmarks.regression.proof import prove

RULES = """\
groups:
- name: shop
  rules:
  - {alert: QueueGrows, expr: 'queue > 50', for: 1m}
  - {alert: NeverTrue, expr: 'queue > 50 and queue < 40'}
  - {alert: BackupOld, expr: 'time() - backup_at > 3600'}
"""


def test_each_alert_of_a_folder_is_counted_once(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULES)
    outcomes = prove(tmp_path, 1, [None], 1)
    assert {one.alert: one.kind for one in outcomes} == {
        "QueueGrows": "written", "NeverTrue": "not simulated", "BackupOld": "refused",
    }  # fmt: skip
    assert "| shop | 3 | 1 | 1 | 1 | 0 |" in table({"shop": outcomes})
