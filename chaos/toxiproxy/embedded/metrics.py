"""Bytes by proxy, in the names of the real server and in the text format of Prometheus."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"

_HANDLER_ERRORS = """\
# HELP promhttp_metric_handler_errors_total Total number of internal errors encountered by the promhttp metric handler.
# TYPE promhttp_metric_handler_errors_total counter
promhttp_metric_handler_errors_total{cause="encoding"} 0
promhttp_metric_handler_errors_total{cause="gathering"} 0
"""
_LABELS = ("direction", "listener", "proxy", "upstream")

# The values of the labels, in their order.
Labels = tuple[str, str, str, str]


@dataclass
class Metrics:
    """Counters `received` and `sent`: a connection counts when it has ended."""

    counters: dict[str, Counter[Labels]] = field(default_factory=lambda: {"received": Counter(), "sent": Counter()})

    def add(self, which: str, labels: Labels, count_bytes: int) -> None:
        """Count bytes."""
        self.counters[which][labels] += count_bytes

    def text(self) -> str:
        """Write all counters in the text format."""
        return _HANDLER_ERRORS + "".join(_family(name, counter) for name, counter in self.counters.items() if counter)


def _family(which: str, counter: Counter[Labels]) -> str:
    name = f"toxiproxy_proxy_{which}_bytes_total"
    lines = [f"# HELP {name} ", f"# TYPE {name} counter"]
    for values, count in sorted(counter.items()):
        labels = ",".join(f'{key}="{_escape(value)}"' for key, value in zip(_LABELS, values, strict=True))
        lines.append(f"{name}{{{labels}}} {count}")
    return "\n".join(lines) + "\n"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
