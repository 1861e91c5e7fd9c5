"""The promtool that is installed, and the newer one of lab/install-newer-monitoring.sh."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

INSTALLED = "promtool"
NEWER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "alertdrill" / "bin" / "promtool"
needs_newer = pytest.mark.skipif(
    not NEWER.exists(), reason="promtool of Prometheus 3 is not here: sh lab/install-newer-monitoring.sh"
)
BOTH = [pytest.param(INSTALLED, id="installed"), pytest.param(str(NEWER), id="newer", marks=needs_newer)]
