"""What the probes that make a single request have in common."""

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
    """A probe of one request: its kind, the name under which it is counted, and the time limit of a transaction.

    The time limit is counted from the send, so it includes whatever has to be waited for: a name's address,
    a connection of a pool, the answer.
    """

    name: str = ""
    timeout: Duration = Field(default=timedelta(seconds=10), gt=timedelta(0))

    @property
    def title(self) -> str:
        """The name, or else the kind."""
        return self.name or self.kind

    @property
    def check_names(self) -> tuple[str, ...]:
        """The names of the checks on the answer; none unless the file asks for one."""
        return ()

    @property
    def counted(self) -> tuple[Counted, ...]:
        """The name under which the request is counted, with its checks."""
        return (Counted(self.title, self.check_names),)

    def without_answer(self, reason: Reason, detail: str) -> Outcome:
        """Tell of a request that got no answer: none of its checks held."""
        return Outcome(reason, detail, self.check_names)
