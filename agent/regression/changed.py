"""Chooses the regress files for which something changed since a revision of git.

A file is run if it is changed itself, if the rule or a recording rule that it reads is, or if its receiver is tested and
the routes are. Comments, annotations and the other rules of a file do not count. Where git cannot tell, it is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.regression.regress_file import RegressFile, read_regress_file
from alertdrill.agent.regression.revision import Revision
from alertdrill.agent.regression.rule_slice import rule_slice, slice_of
from alertdrill.units import yaml_text


@dataclass(frozen=True)
class Selection:
    """The files to run, those that are skipped, and the revision with its commit."""

    chosen: tuple[Path, ...]
    skipped: tuple[Path, ...]
    revision: str

    @property
    def told(self) -> str:
        """What was skipped, in words."""
        count = len(self.skipped)
        files = "1 file" if count == 1 else f"{count} files"
        return (
            f"skipped {files}: nothing that {'it tests' if count == 1 else 'they test'} changed since {self.revision}"
        )


def changed(paths: Sequence[Path], base: str, alertmanager: Path | None = None) -> Selection:
    """Choose files by what changed since a revision; `alertmanager` replaces the one that they name.

    Raises ConfigError if git cannot tell, or if a regress file is wrong.
    """
    revision = Revision(base, paths[0].resolve().parent)
    chosen = [path for path in paths if _is_changed(path, revision, alertmanager)]
    return Selection(tuple(chosen), tuple(path for path in paths if path not in chosen), str(revision))


def _is_changed(path: Path, revision: Revision, alertmanager: Path | None) -> bool:
    file = read_regress_file(path)
    if not revision.is_as_now(path):
        return True
    return _has_other_rules(path, file, revision) or _has_other_routes(path, file, revision, alertmanager)


def _has_other_rules(path: Path, file: RegressFile, revision: Revision) -> bool:
    files = file.rule_files(path)
    if all(revision.is_as_now(one) for one in files):
        return False
    texts = [(one, revision.text(one)) for one in files]
    try:
        before = [(one, text) for one, text in texts if text is not None]
        now = rule_slice(files, file.regress, file.evaluation)
        return slice_of(before, file.regress, file.evaluation).tested != now.tested
    except ConfigError:
        # Either there is no such rule now, which a run tells, or there was none.
        return True


def _has_other_routes(path: Path, file: RegressFile, revision: Revision, alertmanager: Path | None) -> bool:
    """Return whether an alert may reach another receiver; only the routes and the names of receivers decide that."""
    config = alertmanager or (path.parent / file.alertmanager if file.alertmanager else None)
    if file.contract.receiver is None or config is None or revision.is_as_now(config):
        return False
    before = revision.text(config)
    try:
        return before is None or _routing(before) != _routing(yaml_text.read_text(config))
    except (OSError, yaml_text.YamlRefused):
        return True


def _routing(text: str) -> Any:  # noqa: ANN401 - YAML holds anything
    documents = yaml_text.load_all(text)
    config = documents[0] if documents and isinstance(documents[0], dict) else {}
    receivers = config.get("receivers")
    names = (
        [one.get("name") for one in receivers if isinstance(one, dict)] if isinstance(receivers, list) else receivers
    )
    return config.get("route"), names
