from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_missing_program_is_named_with_its_install_command(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "alertdrill", "lab"],
        cwd=ROOT,
        env=os.environ | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 2
    assert "redis-server is missing, install it: apt-get install redis-server" in ended.stderr
    assert "prometheus is missing, install it: apt-get install prometheus" in ended.stderr
    assert "Traceback" not in ended.stderr
