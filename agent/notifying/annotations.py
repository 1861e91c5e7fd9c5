"""Annotations in Grafana: opened when a fault was injected, closed when it is undone.

`POST /api/annotations` makes one, and `PATCH /api/annotations/ID` with `timeEnd` makes it a region. Grafana 13 deprecates
this API in favour of `/apis`, so it is used in this file only. A Grafana that is away delays nothing: what is missing
there is written later, from what is kept in the outbox. A POST whose answer was lost leaves an annotation without an end.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

from alertdrill.agent.config.servers import Grafana
from alertdrill.agent.history.outbox import HistoryOutbox, put_annotation
from alertdrill.agent.notifying.calling import CallTarget, NotTaken, call
from alertdrill.units import json_text
from alertdrill.units.text import one_line
from alertdrill.units.waiting import set_within

_TIMEOUT_SECONDS = 10.0
_LOOK_EVERY_SECONDS = 5.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 5.0, 300.0
_GIVEN_UP_AFTER_SECONDS = 24 * 3600.0
_MOST_KEPT = 500
_MOST_VALUES = 100


@dataclass
class Annotation:
    """A fault as Grafana has to show it; instants are in Unix seconds."""

    drill: str
    kind: str
    target: str
    began_at: float
    ended_at: float | None = None
    note: str = ""
    grafana_id: int | None = None

    @property
    def text(self) -> str:
        """The text of the annotation."""
        return f"fault {self.kind} on {self.target}, drill {self.drill}" + (f" ({self.note})" if self.note else "")


class Annotations:
    """The faults whose annotation Grafana does not have completely yet.

    `grafana` is asked before each call; without a token nothing is written. `in_force` returns the drill and the kind of
    each fault in the ledger, None if it cannot be read: a fault of an agent before ends when it is not there any more.
    """

    def __init__(
        self,
        grafana: Callable[[], Grafana | None],
        in_force: Callable[[], set[tuple[str, str]] | None],
        outbox: HistoryOutbox,
        wall: Callable[[], float],
        tell: Callable[[str], None],
    ) -> None:
        self._grafana = grafana
        self._in_force = in_force
        self._outbox = outbox
        self._wall = wall
        self._tell = tell
        self._open: dict[str, Annotation] = {}
        self._left: set[str] = set()
        self._has_changed = asyncio.Event()
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._problem = ""

    def begin(self, key: str, drill: str, kind: str, target: str, at: float) -> None:
        """Open the annotation of a fault, which is called `key`."""
        if self._place() is None:
            return
        if len(self._open) >= _MOST_KEPT:
            self._drop(next(iter(self._open)))
        self._open[key] = Annotation(drill, kind, target, at)
        self._keep(key)

    def end(self, key: str, at: float, *, is_undone: bool) -> None:
        """Close the annotation of a fault; one that could not be undone stays open until its ledger entry is gone."""
        if key not in self._open:
            return
        if is_undone:
            self._open[key].ended_at = at
        else:
            self._left.add(key)
        self._keep(key)

    async def run(self, kept: dict[str, str]) -> None:
        """Write until this is cancelled; `kept`, which is used up, is what an agent before had not completed."""
        for key, content in kept.items():
            try:
                self._open.setdefault(key, Annotation(**json_text.parse(content.encode(), _MOST_VALUES)))
            except (ValueError, TypeError):
                self._outbox.put(put_annotation(key, None))
                continue
            self._left.add(key)
        kept.clear()
        while True:
            self._close_left()
            self._has_changed.clear()
            pause = _LOOK_EVERY_SECONDS if await self._write() else self._pause_seconds
            if self._open:
                await set_within(self._has_changed, pause)
            else:
                await self._has_changed.wait()

    def _close_left(self) -> None:
        """Close those that no drill will close, when their faults are not in the ledger any more."""
        if not self._left:
            return
        in_force, now = self._in_force(), self._wall()
        if in_force is None:
            return
        for key in list(self._left):
            one = self._open.get(key)
            if one is not None and one.ended_at is None and (one.drill, one.kind) in in_force:
                continue
            self._left.discard(key)
            if one is not None and one.ended_at is None:
                one.ended_at, one.note = now, "its end is not known more exactly: it was undone by then"
                self._keep(key)

    async def _write(self) -> bool:
        """Write what Grafana lacks; return whether it has everything."""
        place = self._place()
        if place is None:
            return True
        for key, one in list(self._open.items()):
            try:
                await self._written(place, key, one)
            except NotTaken as error:
                if error.is_final or error.status == 404 or self._wall() - one.began_at > _GIVEN_UP_AFTER_SECONDS:
                    self._tell(f"an annotation is given up: {error}")
                    self._drop(key)
                    continue
                self._fail(error)
                return False
        self._pause_seconds, self._problem = _FIRST_PAUSE_SECONDS, ""
        return True

    async def _written(self, place: CallTarget, key: str, one: Annotation) -> None:
        if one.grafana_id is None:
            tags = ["alertdrill", f"drill:{one.drill}", f"fault:{one.kind}"]
            ended_at = one.ended_at
            times = {"time": _millis(one.began_at)} | ({} if ended_at is None else {"timeEnd": _millis(ended_at)})
            answer = await _sent(place, "POST", "", times | {"tags": tags, "text": one.text})
            one.grafana_id = _id_of(answer, place)
            self._keep(key)
            if ended_at is not None:
                self._drop(key)
        elif one.ended_at is not None:
            await _sent(place, "PATCH", f"/{one.grafana_id}", {"timeEnd": _millis(one.ended_at), "text": one.text})
            self._drop(key)

    def _place(self) -> CallTarget | None:
        grafana = self._grafana()
        if grafana is None or grafana.token is None:
            return None
        token = grafana.token.get_secret_value()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return CallTarget(f"{grafana.url}/api/annotations", _TIMEOUT_SECONDS, grafana.tls, headers, (token,))

    def _keep(self, key: str) -> None:
        # It may be given up while its call is under way.
        if key in self._open:
            self._outbox.put(put_annotation(key, json.dumps(asdict(self._open[key]))))
        self._has_changed.set()

    def _drop(self, key: str) -> None:
        self._open.pop(key, None)
        self._left.discard(key)
        self._outbox.put(put_annotation(key, None))

    def _fail(self, error: NotTaken) -> None:
        self._pause_seconds = min(max(2 * self._pause_seconds, error.retry_after_seconds), _LONGEST_PAUSE_SECONDS)
        if not self._problem:
            self._tell(f"annotations are written later: {error}")
        self._problem = one_line(error)


async def _sent(place: CallTarget, method: str, path: str, values: object) -> bytes:
    there = CallTarget(place.url + path, place.timeout_seconds, place.tls, place.headers, place.secrets)
    return await call(there, method, json.dumps(values).encode())


def _id_of(answer: bytes, place: CallTarget) -> int:
    """Return the id in Grafana's answer; raises NotTaken, after which it would be written twice, so it is final."""
    try:
        return int(json_text.parse(answer, _MOST_VALUES)["id"])
    except (ValueError, TypeError, KeyError) as error:
        raise NotTaken(f"{place.shown} did not answer as Grafana does; is `url` right?", is_final=True) from error


def _millis(at: float) -> int:
    return round(at * 1000)
