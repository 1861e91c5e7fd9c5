"""Bytes by proxy, in the names of the real server and in the text format of Prometheus."""

from __future__ import annotations

import os
import resource
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from alertdrill.chaos.machine.proc_stat import read_stat

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"

_HANDLER_ERRORS = """\
# HELP promhttp_metric_handler_errors_total Total number of internal errors encountered by the promhttp metric handler.
# TYPE promhttp_metric_handler_errors_total counter
promhttp_metric_handler_errors_total{cause="encoding"} 0
promhttp_metric_handler_errors_total{cause="gathering"} 0
"""
_LABELS = ("direction", "listener", "proxy", "upstream")

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

# The values of the labels, in their order.
Labels = tuple[str, str, str, str]


@dataclass
class Metrics:
    """Counters `received` and `sent`: a connection counts when it has ended; and what the process uses, if wanted."""

    of_proxies: bool = True
    of_process: bool = False
    counters: dict[str, Counter[Labels]] = field(default_factory=lambda: {"received": Counter(), "sent": Counter()})

    def add(self, which: str, labels: Labels, count_bytes: int) -> None:
        """Count bytes."""
        if self.of_proxies:
            self.counters[which][labels] += count_bytes

    def text(self) -> str:
        """Write all counters in the text format."""
        process = _process() if self.of_process else ""
        counted = "".join(_family(name, counter) for name, counter in self.counters.items() if counter)
        return process + _HANDLER_ERRORS + counted


def _family(which: str, counter: Counter[Labels]) -> str:
    name = f"toxiproxy_proxy_{which}_bytes_total"
    lines = [f"# HELP {name} ", f"# TYPE {name} counter"]
    for values, count in sorted(counter.items()):
        labels = ",".join(f'{key}="{_escape(value)}"' for key, value in zip(_LABELS, values, strict=True))
        lines.append(f"{name}{{{labels}}} {count}")
    return "\n".join(lines) + "\n"


def _process() -> str:
    """Write the metrics of this process; the real server has those of Go beside them."""
    stat = read_stat(os.getpid())
    if stat is None:
        return ""  # on a machine without /proc
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - stat.started_ticks / _TICKS_PER_SECOND
    figures = [
        ("cpu_seconds_total", "counter", stat.cpu_ticks / _TICKS_PER_SECOND),
        ("max_fds", "gauge", resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        ("open_fds", "gauge", len(list(Path("/proc/self/fd").iterdir()))),
        ("resident_memory_bytes", "gauge", stat.resident_pages * resource.getpagesize()),
        ("start_time_seconds", "gauge", time.time() - age),
        ("virtual_memory_bytes", "gauge", stat.virtual_bytes),
    ]
    lines = (f"# TYPE process_{name} {kind}\nprocess_{name} {value}\n" for name, kind, value in figures)
    return "".join(lines)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
