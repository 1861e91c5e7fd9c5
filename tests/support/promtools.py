"""The promtool that is installed, and the newer one of lab/install-newer-monitoring.sh."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from simulator.storage import Version

INSTALLED = "promtool"
NEWER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "alertdrill" / "bin" / "promtool"
needs_newer = pytest.mark.skipif(
    not NEWER.exists(), reason="promtool of Prometheus 3 is not here: sh lab/install-newer-monitoring.sh"
)
BOTH = [pytest.param(INSTALLED, id="installed"), pytest.param(str(NEWER), id="newer", marks=needs_newer)]


def version_of(promtool: str) -> Version:
    """Return what the simulator calls the version of a promtool."""
    told = subprocess.run([promtool, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"version (\d+)\.(\d+)", told.stdout + told.stderr)
    assert found is not None
    assert (int(found[1]), int(found[2])) < (2, 52) or int(found[1]) == 3
    return Version.V3 if int(found[1]) == 3 else Version.V2
