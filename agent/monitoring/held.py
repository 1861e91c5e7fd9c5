"""The answers of Alertmanager: alerts, silences, receivers, status and cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AliasPath, BeforeValidator, Field, TypeAdapter

from alertdrill.agent.monitoring.wire import NONE_IS_EMPTY, Instant, InstantOrNever, Labels

_Ids = Annotated[tuple[str, ...], NONE_IS_EMPTY]


@dataclass(frozen=True)
class Receiver:
    """A receiver, by its name."""

    name: str


@dataclass(frozen=True)
class HeldAlert:
    """One alert: `state` is unprocessed, active or suppressed; the ids name the silences and alerts that suppress it.

    `muted_by` names time intervals; only newer servers have it, and only in the list of groups.
    """

    labels: Labels
    annotations: Labels
    fingerprint: str
    starts_at: Annotated[Instant, Field(alias="startsAt")]
    updated_at: Annotated[Instant, Field(alias="updatedAt")]
    state: Annotated[str, Field(validation_alias=AliasPath("status", "state"))]
    receivers: Annotated[tuple[Receiver, ...], NONE_IS_EMPTY]
    ends_at: Annotated[InstantOrNever, Field(alias="endsAt")] = None
    silenced_by: Annotated[_Ids, Field(validation_alias=AliasPath("status", "silencedBy"))] = ()
    inhibited_by: Annotated[_Ids, Field(validation_alias=AliasPath("status", "inhibitedBy"))] = ()
    muted_by: Annotated[_Ids, Field(validation_alias=AliasPath("status", "mutedBy"))] = ()


@dataclass(frozen=True)
class AlertGroup:
    """The alerts of one notification to one receiver."""

    labels: Labels
    receiver: Receiver
    alerts: Annotated[tuple[HeldAlert, ...], NONE_IS_EMPTY]


@dataclass(frozen=True)
class SilenceMatcher:
    """One condition on a label; a regular expression matches the whole value."""

    name: str
    value: str
    is_regex: Annotated[bool, Field(alias="isRegex")]
    is_equal: Annotated[bool, Field(alias="isEqual")] = True


@dataclass(frozen=True)
class Silence:
    """One silence: `state` is expired, active or pending."""

    id: str
    matchers: Annotated[tuple[SilenceMatcher, ...], NONE_IS_EMPTY]
    starts_at: Annotated[Instant, Field(alias="startsAt")]
    ends_at: Annotated[Instant, Field(alias="endsAt")]
    state: Annotated[str, Field(validation_alias=AliasPath("status", "state"))]
    created_by: Annotated[str, Field(alias="createdBy")] = ""
    comment: str = ""


@dataclass(frozen=True)
class Silenced:
    """The answer to a new silence: its id."""

    silence_id: Annotated[str, Field(alias="silenceID")]


@dataclass(frozen=True)
class AlertmanagerCluster:
    """The number of peers with itself, and its position among them, from 0: each later peer waits longer to notify.

    `peers` is 0 and `position` None if clustering is switched off.
    """

    peers: int = 0
    position: int | None = None


def _cluster(answer: Any) -> Any:  # noqa: ANN401 - JSON
    """Count the peers; Alertmanager orders them by name to find its own position."""
    if not isinstance(answer, dict):
        return answer
    peers = answer.get("peers") or []
    if not isinstance(peers, list):
        msg = "expected a list of peers"
        raise ValueError(msg)  # noqa: TRY004 - pydantic expects a ValueError
    names = sorted(str(peer.get("name")) for peer in peers if isinstance(peer, dict))
    own = answer.get("name")
    return {"peers": len(names), "position": names.index(own) if own in names else None}


@dataclass(frozen=True)
class AlertmanagerStatus:
    """The status of an Alertmanager; `config` is YAML text with its secrets masked."""

    version: Annotated[str, Field(validation_alias=AliasPath("versionInfo", "version"))]
    config: Annotated[str, Field(validation_alias=AliasPath("config", "original"))]
    started_at: Annotated[InstantOrNever, Field(alias="uptime")] = None
    cluster: Annotated[AlertmanagerCluster, BeforeValidator(_cluster)] = AlertmanagerCluster()


STATUS = TypeAdapter(AlertmanagerStatus)
ALERTS = TypeAdapter(list[HeldAlert])
GROUPS = TypeAdapter(list[AlertGroup])
SILENCES = TypeAdapter(list[Silence])
RECEIVERS = TypeAdapter(list[Receiver])
SILENCED = TypeAdapter(Silenced)
