"""An end point that takes memory on purpose, like Chaos Monkey's actuators: POST takes it, DELETE frees it.

POST /actuator/memory {"mib": 100}       hold 100 MiB, and free what was held before
POST /actuator/memory {"percent": 90}    hold as much as makes memory_usage 90
DELETE /actuator/memory                  free all of it
GET /actuator/memory                     how much is held: {"heldMib": 100, "usagePercent": 41.5}

The memory is real pages, so a drill can show what happens when memory runs short.
"""

from __future__ import annotations

import asyncio
import mmap
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from alertdrill.lab.engine.payment import PaymentRefused
from alertdrill.lab.engine.process import resident_bytes
from alertdrill.lab.engine.service import Service

_MIB = 2**20
_PIECE_BYTES = 4 * _MIB
_FLAGS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE


class TakenMemory:
    """Memory that the engine holds without needing it."""

    def __init__(self, allowed_bytes: int) -> None:
        self._allowed_bytes = allowed_bytes
        self._pieces: list[mmap.mmap] = []

    @property
    def held_bytes(self) -> int:
        """The number of bytes held."""
        return len(self._pieces) * _PIECE_BYTES

    async def take(self, size_bytes: int) -> None:
        """Free what is held and hold this much, taken in pieces of 4 MiB so that clients get answers in between.

        Raises ValueError when that would exceed the engine's memory limit.
        """
        self.give_back()
        free = self._allowed_bytes - resident_bytes()
        if size_bytes > free:
            msg = f"the engine may take {free // 2**20} MiB more"
            raise ValueError(msg)
        while self.held_bytes < size_bytes:
            self._pieces.append(mmap.mmap(-1, _PIECE_BYTES, flags=_FLAGS))
            await asyncio.sleep(0)

    def give_back(self) -> None:
        """Free everything; the pages go back to the kernel at once."""
        for piece in self._pieces:
            piece.close()
        self._pieces.clear()


class Order(BaseModel):
    """How much to hold: in MiB, or as the percentage of the memory limit that the engine then uses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mib: Annotated[int, Field(ge=1)] | None = None
    percent: Annotated[float, Field(gt=0, le=100)] | None = None

    @model_validator(mode="after")
    def _has_one_amount(self) -> Order:
        if (self.mib is None) == (self.percent is None):
            msg = "expected either mib or percent"
            raise ValueError(msg)
        return self

    def size_bytes(self, allowed_bytes: int, resident: int) -> int:
        """Return the number of bytes to hold."""
        if self.mib is not None:
            return self.mib * _MIB
        return max(0, int(allowed_bytes * (self.percent or 0) / 100) - resident)


class MemoryChaos:
    """Takes and frees memory on requests with the engine's token."""

    def __init__(self, service: Service, allowed_bytes: int) -> None:
        self._service = service
        self._allowed_bytes = allowed_bytes
        self._taken = TakenMemory(allowed_bytes)

    def add_to(self, application: web.Application) -> None:
        """Serve /actuator/memory."""
        for method in ("GET", "POST", "DELETE"):
            application.router.add_route(method, "/actuator/memory", self._serve)

    async def _serve(self, request: web.Request) -> web.Response:
        try:
            self._service.require_token(request)
            if request.method == "POST":
                await self._take(await request.read())
            elif request.method == "DELETE":
                self._taken.give_back()
        except PaymentRefused as refused:
            return web.json_response({"error": refused.error, "reason": refused.reason}, status=refused.status)
        return web.json_response(self._state())

    async def _take(self, body: bytes) -> None:
        try:
            order = Order.model_validate_json(body)
            self._taken.give_back()
            await self._taken.take(order.size_bytes(self._allowed_bytes, resident_bytes()))
        except ValidationError as error:
            reasons = "; ".join(one["msg"] for one in error.errors(include_url=False))
            raise PaymentRefused(400, "invalid_request", f'{reasons}; for example {{"mib": 100}}') from error
        except ValueError as error:
            raise PaymentRefused(409, "memory_limit", str(error)) from error

    def _state(self) -> dict[str, Any]:
        usage = 100.0 * resident_bytes() / self._allowed_bytes
        return {"heldMib": self._taken.held_bytes // _MIB, "usagePercent": round(usage, 1)}
