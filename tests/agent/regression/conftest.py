"""Tells at the end what became of the simulated drills."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

OUTCOME = "simulated drills"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count the outcomes that tests recorded."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    found = Counter(value for report in reports for name, value in report.user_properties if name == OUTCOME)
    if found:
        terminalreporter.section(OUTCOME)
    for outcome, count in sorted(found.items()):
        terminalreporter.write_line(f"{count:6} {outcome}")
