"""The receiver of Alertmanager's webhooks, and the limits of what it takes.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, NoReturn

from aiohttp import web
from pydantic import ValidationError

from alertdrill.agent.recording.records import NotificationRecord
from alertdrill.agent.serving.door import Door, Refused
from alertdrill.units.text import broken_character

MOST_BYTES = 1024 * 1024
"""The largest body of one call."""
MOST_ALERTS = 2_000
"""The most alerts in one call."""
_MOST_LEVELS = 8
_MOST_LABELS = 128
_LONGEST_NAME = 1_024
_LONGEST_VALUE = 16_384
_LONGEST_RECEIVER = 256
_NOT_A_CALL = "it is not a call of Alertmanager"


class Inbox:
    """Where Alertmanager calls; `take` is called with the records of each call: one for each of its alerts, in order.

    `wall` is the clock of the records, in Unix seconds.
    """

    def __init__(self, take: Callable[[list[NotificationRecord]], None], wall: Callable[[], float] = time.time) -> None:
        self._take = take
        self._wall = wall

    def route(self, door: Door) -> web.RouteDef:
        """Return the route that Alertmanager calls."""
        return web.post("/api/v1/webhook/{receiver}", door.guarding(self._answer, MOST_BYTES, "application/json"))

    def receive(self, receiver: str, call: Any) -> None:  # noqa: ANN401 - JSON
        """Take the alerts of one call; raises Refused if it is not a webhook's call or has something too large."""
        now = self._wall()
        _require_text("the receiver", receiver, _LONGEST_RECEIVER)
        self._take([_record(now, receiver, alert) for alert in _alerts(call)])

    async def _answer(self, request: web.Request, body: bytes) -> web.Response:
        self.receive(request.match_info["receiver"], _parsed(body))
        return web.Response(text="OK\n")


def _parsed(body: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        call = json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        raise Refused(400, "it is nested too deep", f"at most {_MOST_LEVELS} levels") from None
    except ValueError as error:
        raise Refused(400, "it is not JSON", str(error)) from error
    _require_levels(call)
    return call


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a value of JSON")


def _require_levels(call: Any) -> None:  # noqa: ANN401 - JSON
    level: list[Any] = [call]
    for _ in range(_MOST_LEVELS):
        level = [inner for one in level if isinstance(one, list | dict) for inner in _inside(one)]
    if any(isinstance(one, list | dict) for one in level):
        raise Refused(400, "it is nested too deep", f"at most {_MOST_LEVELS} levels")


def _inside(one: Any) -> Any:  # noqa: ANN401 - JSON
    return one.values() if isinstance(one, dict) else one


def _alerts(call: Any) -> list[Any]:  # noqa: ANN401 - JSON
    alerts = call.get("alerts") if isinstance(call, dict) else None
    if not isinstance(alerts, list):
        raise Refused(400, _NOT_A_CALL, "it has no list `alerts`")
    if len(alerts) > MOST_ALERTS:
        raise Refused(413, "it has too many alerts", f"{len(alerts)}, at most {MOST_ALERTS}")
    return alerts


def _record(now: float, receiver: str, alert: Any) -> NotificationRecord:  # noqa: ANN401 - JSON
    if not isinstance(alert, dict):
        raise Refused(400, _NOT_A_CALL, "an alert is not an object")
    status = alert.get("status")
    if not isinstance(status, str) or status not in {"firing", "resolved"}:
        raise Refused(400, _NOT_A_CALL, "the status of an alert is neither firing nor resolved")
    _require_texts("annotations", alert.get("annotations", {}))
    starts_at = _instant(alert, "startsAt")
    if starts_at is None:
        raise Refused(400, _NOT_A_CALL, "an alert has no startsAt")
    labels, ends_at = _require_texts("labels", alert.get("labels")), _instant(alert, "endsAt")
    try:
        return NotificationRecord(
            received_at=now,
            receiver=receiver,
            status=status,
            labels=labels,
            starts_at=starts_at,
            ends_at=ends_at,
        )
    except ValidationError as error:
        raise Refused(400, _NOT_A_CALL, "an instant of an alert is not a time of this calendar") from error


def _instant(alert: dict[str, Any], key: str) -> float | None:
    """Return an instant in Unix seconds; Alertmanager writes "not yet" as the first instant of the year 1."""
    try:
        instant = datetime.fromisoformat(alert[key])
        return instant.timestamp() if instant.year > 1 else None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Refused(400, _NOT_A_CALL, f"{key} of an alert is not a time: {error}") from error


def _require_texts(key: str, texts: Any) -> dict[str, str]:  # noqa: ANN401 - JSON
    if not isinstance(texts, dict) or not all(isinstance(value, str) for value in texts.values()):
        raise Refused(400, _NOT_A_CALL, f"{key} of an alert are not texts by name")
    if len(texts) > _MOST_LABELS:
        raise Refused(413, "an alert is too large", f"it has {len(texts)} {key}, at most {_MOST_LABELS}")
    for name, value in texts.items():
        _require_text(f"a name in {key}", name, _LONGEST_NAME)
        _require_text(f"a value in {key}", value, _LONGEST_VALUE)
    return texts


def _require_text(what: str, text: str, longest: int) -> None:
    if len(text) > longest:
        raise Refused(413, "a text is too long", f"{what} has {len(text)} characters, at most {longest}")
    if char := broken_character(text):
        raise Refused(400, "a text is broken", f"{what} has the character {char}")
