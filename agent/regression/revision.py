"""What files were at a revision of git, by the program `git`."""

from __future__ import annotations

import os
import subprocess
from functools import cached_property, lru_cache
from pathlib import Path

from alertdrill.agent.errors import ConfigError

_LONGEST_SECONDS = 120
_OPTION = "--changed"
_FETCH = (
    "this clone is shallow: fetch the whole history, as with `git fetch --unshallow`,"
    " `fetch-depth: 0` of actions/checkout, or `GIT_DEPTH: 0` of GitLab"
)


class Revision:
    """The commit at which the work left a base: the newest one that HEAD and the base have in common.

    Raises ConfigError if there is no git, no repository, or no such commit.
    """

    def __init__(self, base: str, folder: Path) -> None:
        self._base = base
        self._folder = folder
        self._top = self._found_top()
        self.commit = self._common_commit()

    def __str__(self) -> str:
        """Format it as the name that was given, with the commit."""
        return f"{self._base} ({self.commit[:7]})"

    def is_as_now(self, path: Path) -> bool:
        """Return whether a file is now as it was; False for a file that git does not know."""
        name = self._name(path)
        return name in self._names and name not in self._changed

    @lru_cache(maxsize=64)  # noqa: B019 - it lives as long as the command
    def text(self, path: Path) -> str | None:
        """Return what a file was; None for one that git did not know."""
        name = self._name(path)
        if name not in self._names:
            return None
        return self._ask("cat-file", "blob", f"{self.commit}:{name}").decode(errors="replace")

    def _name(self, path: Path) -> str:
        """Return the path in the repository; empty for a file outside of it."""
        whole = path.resolve()
        return whole.relative_to(self._top).as_posix() if whole.is_relative_to(self._top) else ""

    @cached_property
    def _names(self) -> set[str]:
        return self._listed("ls-tree", "-r", "-z", "--name-only", self.commit)

    @cached_property
    def _changed(self) -> set[str]:
        return self._listed("diff", "-z", "--name-only", "--no-renames", "--no-ext-diff", self.commit, "--")

    def _listed(self, *arguments: str) -> set[str]:
        return {name.decode(errors="surrogateescape") for name in self._ask(*arguments).split(b"\0") if name}

    def _found_top(self) -> Path:
        ended = _git(self._folder, "rev-parse", "--show-toplevel")
        if ended.returncode:
            raise ConfigError(f"{_OPTION} {self._base}: {self._folder} is in no repository of git: {_said(ended)}")
        return Path(os.fsdecode(ended.stdout.rstrip(b"\n"))).resolve()

    def _common_commit(self) -> str:
        if not self._resolved("HEAD"):
            raise ConfigError(f"{_OPTION} {self._base}: the repository {self._top} has no commit yet")
        base = self._resolved(self._base)
        if not base:
            hint = f"; {_FETCH}" if self._is_shallow else "; fetch it first, as with `git fetch origin`"
            raise ConfigError(f"{_OPTION} {self._base}: git knows no such revision{hint}")
        common = _git(self._top, "merge-base", base, "HEAD")
        if common.returncode:
            hint = f"; {_FETCH}" if self._is_shallow else ""
            raise ConfigError(f"{_OPTION} {self._base}: git finds no commit that it has in common with HEAD{hint}")
        return common.stdout.decode().strip()

    def _resolved(self, name: str) -> str:
        """Return the commit of a name; empty if there is none. A name cannot be taken for an option."""
        found = _git(self._top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        return "" if found.returncode else found.stdout.decode().strip()

    @property
    def _is_shallow(self) -> bool:
        return _git(self._top, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true"

    def _ask(self, *arguments: str) -> bytes:
        ended = _git(self._top, *arguments)
        if ended.returncode:
            raise ConfigError(f"{_OPTION} {self._base}: git {arguments[0]}: {_said(ended)}")
        return ended.stdout


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - found as the user finds it
            env=os.environ | {"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise ConfigError(f"{_OPTION}: git is not installed, or {folder} is not there") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{_OPTION}: git cannot be run: {error}") from error


def _said(ended: subprocess.CompletedProcess[bytes]) -> str:
    return " ".join(ended.stderr.decode(errors="replace").split()) or f"exit code {ended.returncode}"
