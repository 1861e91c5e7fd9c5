"""The link of an alert to its runbook, as its rule was served."""

from __future__ import annotations

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.verdict.verdict import Runbook

ANNOTATION = "runbook_url"


def runbook(recording: Recording, alert: str) -> Runbook | None:
    """Find an alert's runbook, None where its rules name none, or one that only Prometheus can spell."""
    urls = [rule.annotations.get(ANNOTATION, "") for rule in recording.rules if rule.alert == alert]
    return next((Runbook(url) for url in urls if url and not is_template(url)), None)


def is_template(url: str) -> bool:
    """Tell whether Prometheus fills in parts of a URL."""
    return "{{" in url
