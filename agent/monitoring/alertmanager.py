"""The client of Alertmanager: its alerts, silences, receivers and notification counts."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self, TypeVar
from urllib.parse import quote

from prometheus_client.parser import text_string_to_metric_families
from pydantic import TypeAdapter

from alertdrill.agent.config.servers import MonitoringServer
from alertdrill.agent.monitoring.held import (
    ALERTS,
    GROUPS,
    RECEIVERS,
    SILENCED,
    SILENCES,
    STATUS,
    AlertGroup,
    AlertmanagerStatus,
    HeldAlert,
    Silence,
    SilenceMatcher,
)
from alertdrill.agent.monitoring.http import MonitoringClient, NotServed

_Shape = TypeVar("_Shape")


class Alertmanager:
    """An Alertmanager, or another server with its API.

    https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml. As a context manager it keeps its
    connections for the length of the block. Every method raises ServiceUnavailable.
    """

    is_there = True
    """Whether there is one to ask."""

    def __init__(self, server: MonitoringServer) -> None:
        self._http = MonitoringClient("Alertmanager", server)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._http.__aexit__(*error)

    async def status(self) -> AlertmanagerStatus:
        """Return its version, its configuration and its cluster."""
        return await self._get("/api/v2/status", STATUS)

    async def alerts(self) -> list[HeldAlert]:
        """List its alerts, also those that are silenced, inhibited or muted."""
        return await self._get("/api/v2/alerts", ALERTS)

    async def groups(self) -> list[AlertGroup]:
        """List the groups of alerts of each receiver, also alerts that are silenced, inhibited or muted."""
        return await self._get("/api/v2/alerts/groups", GROUPS)

    async def silences(self) -> list[Silence]:
        """List the silences, also those that ended a short time ago."""
        return await self._get("/api/v2/silences", SILENCES)

    async def add_silence(self, matchers: Iterable[SilenceMatcher], until: datetime, author: str, comment: str) -> str:
        """Silence the alerts that all matchers match, from now until an instant; returns the silence's id."""
        written = {
            "matchers": [
                {"name": one.name, "value": one.value, "isRegex": one.is_regex, "isEqual": one.is_equal}
                for one in matchers
            ],
            "startsAt": datetime.now(UTC).isoformat(),
            "endsAt": until.isoformat(),
            "createdBy": author,
            "comment": comment,
        }
        answer = await self._http.send("POST", "/api/v2/silences", written)
        return self._http.shaped("/api/v2/silences", SILENCED, answer).silence_id

    async def end_silence(self, silence_id: str) -> None:
        """End a silence; it is not an error if there is no such silence any more."""
        with contextlib.suppress(NotServed):
            await self._http.send("DELETE", f"/api/v2/silence/{quote(silence_id)}")

    async def receivers(self) -> list[str]:
        """List the names of the receivers."""
        return [receiver.name for receiver in await self._get("/api/v2/receivers", RECEIVERS)]

    async def notification_counts(self) -> list[NotificationCount] | None:
        """Return how many notifications were sent and failed since its start; None if it has no /metrics."""
        try:
            text = await self._http.text("/metrics")
        except NotServed:
            return None
        try:
            return parse_counts(text)
        except ValueError as error:
            raise self._http.strange("/metrics", f"expected metrics: {error}") from error

    async def _get(self, path: str, adapter: TypeAdapter[_Shape]) -> _Shape:
        return self._http.shaped(path, adapter, await self._http.json(path))


class NoAlertmanager(Alertmanager):
    """What stands in for an Alertmanager that agent.yml does not name: it holds nothing, and counts nothing."""

    is_there = False

    def __init__(self) -> None:
        """Connect to nothing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    async def status(self) -> AlertmanagerStatus:
        """Return a status without a configuration."""
        return AlertmanagerStatus(version="none", config="")

    async def alerts(self) -> list[HeldAlert]:
        """List no alerts."""
        return []

    async def silences(self) -> list[Silence]:
        """List no silences."""
        return []

    async def notification_counts(self) -> list[NotificationCount] | None:
        """Count nothing."""
        return None


def alertmanager_of(server: MonitoringServer | None) -> Alertmanager:
    """Return the client of an Alertmanager, or what stands in for it where there is none."""
    return NoAlertmanager() if server is None else Alertmanager(server)


async def status(server: MonitoringServer) -> AlertmanagerStatus:
    """Return Alertmanager's status; raises ServiceUnavailable."""
    return await Alertmanager(server).status()


_SENT = "alertmanager_notifications_total"
_FAILED = "alertmanager_notifications_failed_total"
# A notification is several requests if the first ones fail.
_REQUESTS = "alertmanager_notification_requests_total"


@dataclass(frozen=True)
class NotificationCount:
    """The notifications since Alertmanager's start, how many failed, and their requests, for one kind of integration.

    `receiver` is empty unless Alertmanager runs with the feature that names receivers in its metrics.
    """

    integration: str
    receiver: str
    attempts: float
    failed: float
    requests: float = 0.0


def parse_counts(text: str) -> list[NotificationCount]:
    """Parse the text format of metrics; raises ValueError if the text has another format."""
    attempts: defaultdict[tuple[str, str], float] = defaultdict(float)
    failures: defaultdict[tuple[str, str], float] = defaultdict(float)
    requests: defaultdict[tuple[str, str], float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == _SENT:
                attempts[_key(sample.labels)] += sample.value
            elif sample.name == _FAILED:
                failures[_key(sample.labels)] += sample.value
            elif sample.name == _REQUESTS:
                requests[_key(sample.labels)] += sample.value
    return [
        NotificationCount(*key, attempts=attempts[key], failed=failures[key], requests=requests[key])
        for key in sorted(attempts.keys() | failures.keys())
    ]


def _key(labels: Mapping[str, str]) -> tuple[str, str]:
    return labels.get("integration", ""), labels.get("receiver_name", "")
