"""The mix: each transaction is made by one of several probes, chosen at random by weight.

kind: mix
of:
  - {weight: 3, probe: {kind: http, name: pay, url: "http://shop:8080/pay"}}
  - {weight: 1, probe: {kind: redis, url: "redis://cache:6379"}}
seed: 7                           # the same seed gives the same order; without a seed every run has another order
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal, cast

from pydantic import Field, field_validator, model_validator

from alertdrill.probes.client import Client, CutsOff, Ended, Opened, startable
from alertdrill.probes.data.data import Choice
from alertdrill.probes.data.number_range import stream_seed
from alertdrill.probes.outcome import Counted, NamedRequest, Outcome
from alertdrill.probes.probe import Probe
from alertdrill.probes.registry import RegisteredProbe
from alertdrill.units.settings import Settings


class Part(Settings):
    """One probe of a mix, and its weight."""

    weight: float = Field(default=1.0, gt=0, le=1_000_000)
    probe: Annotated[RegisteredProbe, Field(discriminator="kind")]

    @field_validator("probe", mode="before")
    @classmethod
    def _is_not_a_mix(cls, probe: Any) -> Any:  # noqa: ANN401 - what YAML held
        if isinstance(probe, MixProbe) or (isinstance(probe, dict) and probe.get("kind") == "mix"):
            msg = "is a mix within a mix, expected its parts here, next to the others"
            raise ValueError(msg)
        return probe


class MixProbe(Probe):
    """Several probes; each transaction takes one of them at random, and is counted under the name of that one."""

    kind: Literal["mix"] = "mix"
    of: tuple[Part, ...] = Field(min_length=1)
    seed: int | None = None

    @model_validator(mode="after")
    def _names_are_unique(self) -> MixProbe:
        seen: set[str] = set()
        for part in self.of:
            names = {request.name for request in part.probe.counted}
            if names & seen:
                msg = f"two parts are named {min(names & seen)!r}, expected a name of its own for each"
                raise ValueError(msg)
            seen |= names
        return self

    @property
    def counted(self) -> tuple[Counted, ...]:
        """The names under which the requests of all parts are counted, with their checks."""
        return tuple(request for part in self.of for request in part.probe.counted)

    def chooser(self, shard: int, shards: int) -> Callable[[], int]:
        """Return a function that gives the index of the next transaction's part, for one of several workers."""
        seed = secrets.randbits(63) if self.seed is None else self.seed
        choice = Choice(of=tuple(range(len(self.of))), weights=tuple(part.weight for part in self.of))
        return cast("Callable[[], int]", choice.values(stream_seed(seed, "mix"), shard, shards))


class MixClient:
    """Starts each transaction on one of several clients; `choose` returns the index of the next one."""

    def __init__(self, parts: Sequence[tuple[str, Client]], choose: Callable[[], int]) -> None:
        self._parts = parts
        self._choose = choose

    def start(self, ended: Ended) -> None:
        """Start a transaction of one part; `ended` is called once with its outcome."""
        name, client = self._parts[self._choose()]
        client.start(partial(_end_with_name, ended, name, time.monotonic()))

    def cut_off(self) -> None:
        """End the transactions in flight of every part."""
        for _, client in self._parts:
            if isinstance(client, CutsOff):
                client.cut_off()

    def take_acknowledged(self) -> list[str]:
        """Return the ids that the parts acknowledged since the last call."""
        return [acknowledged for _, client in self._parts for acknowledged in client.take_acknowledged()]


def _end_with_name(ended: Ended, name: str, started: float, outcome: Outcome) -> None:
    """End a transaction; one that was a single request gets the name of its part."""
    if not outcome.requests:
        outcome = named(outcome, name, time.monotonic() - started)
    ended(outcome)


def named(outcome: Outcome, name: str, seconds: float) -> Outcome:
    """Return the outcome of a single request with the request's name in it."""
    if outcome.hops:
        return replace(outcome, requests=tuple(replace(hop, name=name) for hop in outcome.hops), hops=())
    failed = outcome.refused_by_status or outcome.reason not in {None, "check"}
    waited_seconds = 0.0 if outcome.opening is None else outcome.opening.waited_seconds
    request = NamedRequest(name, max(seconds - waited_seconds, 0.0), failed, outcome.opening)
    return replace(outcome, requests=(request,), opening=None)


@asynccontextmanager
async def opened(
    mix: MixProbe, shard: int, shards: int, open_part: Callable[[RegisteredProbe, int, int], Opened]
) -> AsyncIterator[MixClient]:
    """Open a client of every part for the length of the block."""
    async with AsyncExitStack() as stack:
        clients = []
        for part in mix.of:
            client = await stack.enter_async_context(open_part(part.probe, shard, shards))
            checks = part.probe.counted[0].checks
            clients.append(await stack.enter_async_context(startable(client, checks)))
        parts = [(part.probe.counted[0].name, client) for part, client in zip(mix.of, clients, strict=True)]
        yield MixClient(parts, mix.chooser(shard, shards))
