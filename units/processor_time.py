"""How short of processor time this machine is: read the kernel's counters twice, and compare them.

Sources: /proc/stat and /proc/PID/schedstat (https://man7.org/linux/man-pages/man5/proc_stat.5.html,
https://docs.kernel.org/scheduler/sched-stats.html), /proc/pressure/cpu (https://docs.kernel.org/accounting/psi.html), and
cpu.stat of the process's own control group and of those above it, versions 1 and 2. Not every kernel has each of them.

The watchdog reads this before anything else, so it imports little.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_ROOT = Path("/")
_GROUPS = "sys/fs/cgroup"
_FULL, _CONTENDED, _MUCH = 0.9, 0.8, 0.25


@dataclass(frozen=True)
class Counters:
    """The counters at one instant, in seconds; None where the kernel has none.

    `total`, `idle` and `stolen` are sums over all processors since the boot. `contended` is the time in which any program
    waited for a processor, `queued` the time in which one process did, and `throttled` the time that its control group
    was held back.
    """

    at: float
    total: float
    idle: float
    stolen: float
    contended: float | None
    throttled: float | None
    queued: float | None


@dataclass(frozen=True)
class Strain:
    """How busy the processors were for some seconds: shares of that time from 0 to 1, None where it is not known.

    `busy` and `stolen` are shares of the time of all processors; a processor stolen by the host is busy, too.
    """

    seconds: float
    busy: float
    stolen: float
    contended: float | None = None
    throttled: float | None = None
    queued: float | None = None

    @property
    def is_short(self) -> bool:
        """Whether so much of the time was taken that a program may be late because of it."""
        is_full = self.busy >= _FULL and (self.contended or 0.0) >= _CONTENDED
        return is_full or max(self.stolen, self.throttled or 0.0, self.queued or 0.0) >= _MUCH

    def __str__(self) -> str:
        """Return the figures as text."""
        known = {
            "used": self.busy,
            "taken by the host": self.stolen,
            "waited for by programs": self.contended,
            "withheld by the control group": self.throttled,
            "waited for by this one": self.queued,
        }
        return ", ".join(f"{share:.0%} {name}" for name, share in known.items() if share is not None)


def strain(before: Counters, after: Counters) -> Strain:
    """Compare two readings; a counter that ran backwards counts as unchanged."""
    seconds = max(after.at - before.at, 0.0)
    total = after.total - before.total
    return Strain(
        seconds=seconds,
        busy=1.0 - (_share(before.idle, after.idle, total) or 0.0) if total > 0 else 0.0,
        stolen=_share(before.stolen, after.stolen, total) or 0.0,
        contended=_share(before.contended, after.contended, seconds),
        throttled=_share(before.throttled, after.throttled, seconds),
        queued=_share(before.queued, after.queued, seconds),
    )


def _share(before: float | None, after: float | None, of: float) -> float | None:
    if before is None or after is None:
        return None
    return min(max(after - before, 0.0) / of, 1.0) if of > 0 else 0.0


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def counters(pid: int | None = None, root: Path = _ROOT) -> Counters:
    """Read the counters; `queued` and `throttled` are those of a process, of this one unless another is given."""
    process = root / "proc" / ("self" if pid is None else str(pid))
    total, idle, stolen = _processor_times(_text(root / "proc/stat"))
    return Counters(
        at=time.monotonic(),
        total=total,
        idle=idle,
        stolen=stolen,
        contended=_contended(_text(root / "proc/pressure/cpu")),
        throttled=_throttled(_text(process / "cgroup"), root / _GROUPS),
        queued=_queued(_text(process / "schedstat")),
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _processor_times(stat: str) -> tuple[float, float, float]:
    """Return the total, idle and stolen time of all processors from /proc/stat."""
    first = stat.partition("\n")[0].split()
    # user, nice, system, idle, iowait, irq, softirq, steal; what follows is counted in user and nice already.
    ticks = [int(field) for field in first[1:9]] if first[:1] == ["cpu"] else []
    ticks += [0] * (8 - len(ticks))
    return sum(ticks) / _TICKS_PER_SECOND, (ticks[3] + ticks[4]) / _TICKS_PER_SECOND, ticks[7] / _TICKS_PER_SECOND


def _contended(pressure: str) -> float | None:
    for line in pressure.splitlines():
        kind, *fields = line.split()
        if kind == "some":
            return _numbers(fields, "=").get("total", 0) / 1e6
    return None


def _queued(schedstat: str) -> float | None:
    fields = schedstat.split()
    return int(fields[1]) / 1e9 if len(fields) > 1 else None


def _throttled(cgroup: str, groups: Path) -> float | None:
    """Return the longest time that a control group of the process was held back; the groups above it count, too."""
    found = [_held_back(_text(folder / "cpu.stat")) for folder in _folders(cgroup, groups)]
    return max((one for one in found if one is not None), default=None)


def _folders(cgroup: str, groups: Path) -> Iterator[Path]:
    """Yield the folders that may hold cpu.stat. In a container, the own group may be the root of what is mounted."""
    for line in cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounted = groups / controllers
        own = PurePosixPath(path.lstrip("/"))
        yield from (mounted / one for one in (own, *own.parents))


def _held_back(stat: str) -> float | None:
    numbers = _numbers(stat.splitlines(), " ")
    if "throttled_usec" in numbers:
        return numbers["throttled_usec"] / 1e6
    return numbers["throttled_time"] / 1e9 if "throttled_time" in numbers else None


def _numbers(fields: list[str], between: str) -> dict[str, int]:
    pairs = (field.partition(between) for field in fields)
    return {name: int(value) for name, _, value in pairs if value.isdigit()}
