"""A repository of git in a folder, for what reads its history."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

AS_NOBODY_ELSE = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "a@b.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def git(folder: Path, *arguments: str, code: int = 0) -> str:
    """Run git in a folder without the user's settings, and return what it printed."""
    ended = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env=os.environ | AS_NOBODY_ELSE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout


def committed(folder: Path, branch: str = "main") -> Path:
    """Make a folder a repository, with everything in it as its first commit."""
    git(folder, "init", "--quiet", "--initial-branch", branch)
    return commit(folder)


def commit(folder: Path, subject: str = "Change something") -> Path:
    """Commit everything."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", subject)
    return folder
