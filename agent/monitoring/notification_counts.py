"""How many notifications Alertmanager sent and failed to send, from its own metrics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

_SENT = "alertmanager_notifications_total"
_FAILED = "alertmanager_notifications_failed_total"


@dataclass(frozen=True)
class NotificationCount:
    """The attempts since Alertmanager's start, and how many of them failed, for one kind of integration.

    `receiver` is empty unless Alertmanager runs with the feature that names receivers in its metrics.
    """

    integration: str
    receiver: str
    attempts: float
    failed: float


def parse_counts(text: str) -> list[NotificationCount]:
    """Parse the text format of metrics; raises ValueError if the text has another format."""
    attempts: defaultdict[tuple[str, str], float] = defaultdict(float)
    failures: defaultdict[tuple[str, str], float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == _SENT:
                attempts[_key(sample.labels)] += sample.value
            elif sample.name == _FAILED:
                failures[_key(sample.labels)] += sample.value
    return [
        NotificationCount(*key, attempts=attempts[key], failed=failures[key])
        for key in sorted(attempts.keys() | failures.keys())
    ]


def _key(labels: Mapping[str, str]) -> tuple[str, str]:
    return labels.get("integration", ""), labels.get("receiver_name", "")
