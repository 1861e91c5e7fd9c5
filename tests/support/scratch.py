"""A folder in memory for what tests write: they sync thousands of small files, and their servers do too."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - each run has a folder of its own there
_NAME = "alertdrill-tests-"
# All tests together leave less than 1 GiB.
_ENOUGH_BYTES = 8 * 2**30


def folder_in_memory() -> Path | None:
    """Make a folder in memory, which is used like /tmp; None where memory is short, or programs may not run from it.

    It also removes the folders of runs that have ended: they keep what they wrote when a test fails.
    """
    for path in _MEMORY.glob(f"{_NAME}*"):
        if not Path(f"/proc/{path.name.removeprefix(_NAME)}").exists():
            shutil.rmtree(path, ignore_errors=True)
    if not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < _ENOUGH_BYTES:
        return None
    folder = _MEMORY / f"{_NAME}{os.getpid()}"
    folder.mkdir()
    folder.chmod(0o1777)
    if _runs_programs(folder):
        return folder
    folder.rmdir()
    return None


def _runs_programs(folder: Path) -> bool:
    program = folder / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    try:
        return subprocess.run([program], check=False).returncode == 0
    except PermissionError:
        return False
    finally:
        program.unlink()
