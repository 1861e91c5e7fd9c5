"""The runbook of an alert: its link, from the rule as Prometheus served it, and its page."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from alertdrill.agent.config.runbooks import ANNOTATION, is_template, page
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.verdict.verdict import Judgement, Runbook, Verdict


def runbook(recording: Recording, alert: str) -> Runbook | None:
    """Return an alert's runbook; None if its rules name none, or if the link is a template."""
    urls = [rule.annotations.get(ANNOTATION, "") for rule in recording.rules if rule.alert == alert]
    return next((Runbook(url) for url in urls if url and not is_template(url)), None)


def located(judgement: Judgement, folder: Path, seen_from: Path = Path()) -> Judgement:
    """Return the judgement with the path of each runbook's page, relative to the folder `seen_from`."""
    return replace(judgement, verdicts=tuple(_located(one, folder, seen_from) for one in judgement.verdicts))


def _located(verdict: Verdict, folder: Path, seen_from: Path) -> Verdict:
    found = page(folder, verdict.runbook.url) if verdict.runbook is not None else None
    if verdict.runbook is None or found is None:
        return verdict
    path = Path(os.path.relpath(found, seen_from)).as_posix()
    return replace(verdict, runbook=Runbook(verdict.runbook.url, path))
