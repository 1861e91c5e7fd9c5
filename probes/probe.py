"""The bases of every probe's settings, and of those that make a single request."""

from __future__ import annotations

from abc import abstractmethod
from datetime import timedelta

from pydantic import Field

from alertdrill.probes.outcome import Counted, Outcome, Reason
from alertdrill.units.duration import Duration
from alertdrill.units.settings import Settings


class Probe(Settings):
    """The settings of any kind of probe."""

    kind: str

    @property
    @abstractmethod
    def counted(self) -> tuple[Counted, ...]:
        """The names under which the requests of a transaction are counted, with their checks."""


class SingleRequestProbe(Probe):
    """A probe whose transactions are one request each, counted under `name`, or under the kind without a name.

    `timeout` runs from the send, so it includes every wait: for the server's address, a connection, the answer.
    """

    name: str = ""
    timeout: Duration = Field(default=timedelta(seconds=10), gt=timedelta(0))

    @property
    def title(self) -> str:
        """The name, or else the kind."""
        return self.name or self.kind

    @property
    def check_names(self) -> tuple[str, ...]:
        """The names of the checks on the answer; empty when the file has none."""
        return ()

    @property
    def counted(self) -> tuple[Counted, ...]:
        """The name under which the request is counted, with its checks."""
        return (Counted(self.title, self.check_names),)

    def without_answer(self, reason: Reason, detail: str) -> Outcome:
        """Return the outcome of a request without an answer, for which every check failed."""
        return Outcome(reason, detail, self.check_names)
