"""The DNS probe: the addresses of a name, from the system's resolver or from one server.

    kind: dns
    resolve: shop.example
    record: AAAA                      # the default is A
    server: 10.0.0.53                 # or 10.0.0.53:5353, [fd00::53]:53; the default is the system's resolver
    addresses: [10.1.2.3, 10.1.2.4]   # exactly these, in any order

Services use the system's resolver themselves, with its hosts file, search list and cache; asyncio calls it. It
always asks the system's own servers, so another server is asked through dnspython, which knows the message format,
checks an answer, and repeats over TCP a question whose answer was cut off.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from alertdrill.probes.outcome import Outcome
from alertdrill.probes.probe import SingleRequestProbe
from alertdrill.units.extras import require_library

_NAME = re.compile(r"(?=.{1,253}\.?$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_VERSIONS = {"A": 4, "AAAA": 6}


def _require_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        msg = f"{name!r} is not the name of a host, expected one such as shop.example"
        raise ValueError(msg)
    return name


def _require_server(server: str) -> str:
    try:
        split_server(server)
    except ValueError:
        msg = f"{server!r} is not a server, expected an address such as 10.0.0.53, 10.0.0.53:5353 or [fd00::53]:53"
        raise ValueError(msg) from None
    return server


def _plain_address(address: str) -> str:
    return str(ipaddress.ip_address(address))


def split_server(server: str) -> tuple[str, int]:
    """Return the address and the port of a server; raises ValueError."""
    if server.count(":") > 1 and not server.startswith("["):
        return _plain_address(server), 53
    parts = urlsplit(f"//{server}")
    return _plain_address(parts.hostname or ""), parts.port or 53


class DnsProbe(SingleRequestProbe):
    """A question for each transaction, answered by one server or by the system's resolver.

    A server is asked once, over UDP; a lost question or answer is a timeout. The system's resolver runs in a few
    threads of this process, so that at high rates questions wait for a thread: name a server for such loads.
    """

    kind: Literal["dns"] = "dns"
    resolve: Annotated[str, AfterValidator(_require_name)]
    record: Literal["A", "AAAA"] = "A"
    server: Annotated[str, AfterValidator(_require_server)] | None = None
    addresses: tuple[Annotated[str, AfterValidator(_plain_address)], ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _is_consistent(self) -> DnsProbe:
        for address in self.addresses or ():
            if ipaddress.ip_address(address).version != _VERSIONS[self.record]:
                msg = f"addresses has {address}, which is not an address for a record {self.record}"
                raise ValueError(msg)
        if self.server is not None:
            require_library("dns", "dns")
        return self

    @property
    def check_names(self) -> tuple[str, ...]:
        """The name of the check on the addresses."""
        return () if self.addresses is None else (f"addresses are {', '.join(self.addresses)}",)

    @property
    def client(self) -> Literal["server", "system"]:
        """The client that asks: the first word of the name of its module."""
        return "system" if self.server is None else "server"

    def judge(self, found: list[str]) -> Outcome:
        """Compare the addresses of an answer with those of the file."""
        if not found:
            return self.without_answer("bad_answer", f"{self.resolve} has no record {self.record}")
        if self.addresses is None or set(found) == set(self.addresses):
            return Outcome()
        expected = ", ".join(self.addresses)
        return self.without_answer("check", f"addresses are {', '.join(sorted(found))}, expected {expected}")
