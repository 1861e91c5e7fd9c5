"""The page with the results of benchmarks.toxiproxy."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.results import Circumstances
from benchmarks.tcp_load import MESSAGE

MANY = 50

_HEAD = """\
# The embedded Toxiproxy beside the real one
Written by `make bench-toxiproxy`; do not edit.

- **direct** is without a proxy. **with toxics** has a `latency` toxic of 0 ms in both directions: data passes the toxics and is not delayed.
- **MB/s** is the throughput from one client process to one server process over one connection, and over {many} connections at once. **CPU s/GB** is the user + system time of the proxy's process for a gigabyte.
- **round trip** is the time of a message of {message} bytes there and back, in µs; with {many} connections, each has one message in flight. **added** is the difference between this median and that of direct. **CPU µs** is the proxy's CPU time for each message.
- **API** is the time of `GET /proxies` on a new connection, in ms, while data is sent over {many} connections.{ratio}
- Client, proxy and server run on the same machine, over its loopback interface. Client and server are Python on uvloop, and limit the direct throughput.
- Every figure is the median of {rounds} round(s), and every way is measured in each round. For MB/s the best round is shown too, because other programs on the machine can only lower it.

{circumstances}{shared}"""

_SHARED = """
**The machine was shared**: its load average shows that other programs ran at the same time.
The figures vary widely: compare the lines only roughly. CPU s/GB and CPU µs are affected least.
"""


@dataclass(frozen=True)
class ProxyFigures:
    """One round's figures of one way: bytes per second, seconds, and the proxy's CPU seconds."""

    rate: float
    many_rate: float
    cpu_per_byte: float
    p50: float
    p99: float
    many_p50: float
    many_p99: float
    many_messages_per_second: float
    cpu_per_message: float
    api_p50: float
    api_p95: float


_COLUMNS = (
    "",
    "MB/s median (best)",
    f"MB/s over {MANY}",
    "CPU s/GB",
    "round trip p50 / p99",
    "added",
    f"over {MANY}: p50 / p99",
    f"messages/s over {MANY}",
    "CPU µs",
    "API p50 / p95",
)


def page(circumstances: Circumstances, rounds: int, measured: dict[str, list[ProxyFigures]]) -> str:
    """Return the page as Markdown."""
    shared = _SHARED if circumstances.load_before > circumstances.cores / 2 else ""
    head = _HEAD.format(
        many=MANY,
        message=len(MESSAGE),
        rounds=rounds,
        circumstances=circumstances.words,
        shared=shared,
        ratio=_ratio(measured),
    )
    direct = statistics.median([one.p50 for one in measured["direct"]])
    rows = [row(name, figures, direct) for name, figures in measured.items()]
    return "\n".join([head, _line(_COLUMNS), _line(["---"] * len(_COLUMNS)), *rows, ""])


def _ratio(measured: dict[str, list[ProxyFigures]]) -> str:
    """Compare the two servers' times of the API, whatever the machine's speed."""
    if not {"real", "embedded"} <= measured.keys():
        return ""
    real, embedded = (statistics.median([one.api_p95 for one in measured[name]]) for name in ("real", "embedded"))
    return f" The embedded server's p95 is {embedded / real:.1f} times that of the real one."


def row(name: str, rounds: list[ProxyFigures], direct: float | None) -> str:
    """Return the table row of one way; `direct` is the median round trip without a proxy, in seconds."""
    rate = [one.rate for one in rounds]
    many_rate = [one.many_rate for one in rounds]
    p50 = statistics.median([one.p50 for one in rounds])
    is_proxy = any(one.cpu_per_byte for one in rounds)
    cells = (
        name,
        f"{statistics.median(rate) / 1e6:.0f} ({max(rate) / 1e6:.0f})",
        f"{statistics.median(many_rate) / 1e6:.0f} ({max(many_rate) / 1e6:.0f})",
        f"{statistics.median([one.cpu_per_byte for one in rounds]) * 1e9:.2f}" if is_proxy else "",
        f"{p50 * 1e6:.0f} / {statistics.median([one.p99 for one in rounds]) * 1e6:.0f}",
        f"{(p50 - direct) * 1e6:.0f}" if direct is not None and is_proxy else "",
        f"{statistics.median([one.many_p50 for one in rounds]) * 1e6:.0f} / {statistics.median([one.many_p99 for one in rounds]) * 1e6:.0f}",
        f"{statistics.median([one.many_messages_per_second for one in rounds]):.0f}",
        f"{statistics.median([one.cpu_per_message for one in rounds]) * 1e6:.0f}" if is_proxy else "",
        f"{_milliseconds([one.api_p50 for one in rounds])} / {_milliseconds([one.api_p95 for one in rounds])}"
        if is_proxy
        else "",
    )
    return _line(cells)


def _milliseconds(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1e3:.1f}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
