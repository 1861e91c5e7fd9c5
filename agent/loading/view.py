"""A running load as a live view and as a line; both read the tally and no clock, so they lag by a second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate

from rich.text import Text

from alertdrill.agent.report.words import latency_words, printable
from alertdrill.probes.load.arrivals import Arrivals
from alertdrill.probes.load.settings import LoadSettings
from alertdrill.probes.load.tally import LoadSecond, Tally
from alertdrill.probes.spelling import number_text, share_text
from alertdrill.units.duration import format_duration

_LABEL_CELLS = 12
_WIDEST_BAR = 100
_REASONS_SHOWN = 3


@dataclass(frozen=True)
class LoadView:
    """A running load: its name, its settings, and the tally that grows."""

    name: str
    settings: LoadSettings
    arrivals: Arrivals
    tally: Tally

    def view(self, width: int) -> Text:
        """Draw the stages, the last second and the failures so far, in lines of at most `width` cells."""
        # A text is drawn in a fraction of the time that a table takes, and the load shares the processor.
        text = Text("\n").join(self._lines(width))
        text.no_wrap, text.overflow = True, "ellipsis"
        return text

    def line(self) -> str:
        """Return the last second and the failures so far; nothing before the first second is over."""
        if not self.tally.seconds:
            return ""
        last = self.tally.seconds[-1]
        parts = [self._rates(last), _latencies(last), f"late p99 {latency_words(last.lateness_p99_seconds)}"]
        parts += [f"in flight {last.in_flight}", f"failed {self.tally.failed}", self._unsent("dropped ")]
        if self.settings.steps:
            parts.append(place_words(self.settings, last.offset + 1).partition(",")[0])
        return "   ".join([*parts, time_words(self.settings, last.offset + 1)])

    def _lines(self, width: int) -> Iterator[Text]:
        if not self.tally.seconds:
            yield Text.assemble((printable(self.name), "bold"), ("   starting …", "dim"))
            return
        last = self.tally.seconds[-1]
        elapsed = last.offset + 1
        yield self._head(elapsed, width)
        if stage_ends(self.settings):
            gone, left = stage_bar(self.settings, elapsed, min(width, _WIDEST_BAR))
            yield Text.assemble((gone, "cyan"), (left, "dim"))
        yield _row("rate", self._rates(last))
        yield _row("latency", _latencies(last))
        yield _row("sent late", f"p99 {latency_words(last.lateness_p99_seconds)}")
        yield _row("in flight", f"{last.in_flight}, at most {self.tally.most_in_flight}")
        yield _row("failed", self._failed(), "red" if self.tally.failed else "")
        yield _row("dropped", self._unsent(), "red" if self.tally.dropped or self.tally.lost else "")

    def _head(self, elapsed: int, width: int) -> Text:
        place = f"   {place_words(self.settings, elapsed)}"
        time = f"   {time_words(self.settings, elapsed)}"
        name = Text(printable(self.name), "bold")
        name.truncate(max(width - len(place) - len(time), 8), overflow="ellipsis")
        return name.append(place, "not bold cyan").append(time, "not bold")

    def _rates(self, last: LoadSecond) -> str:
        # In the middle of the second a ramp has the rate that the whole second has.
        target = self.arrivals.rate_at(last.offset + 0.5)
        return f"{rate_text(last.due - last.dropped - last.lost)} of {rate_text(target)}/s"

    def _failed(self) -> str:
        if not self.tally.failed:
            return "0"
        # A copy, because it grows while a thread draws it.
        reasons = sorted(dict(self.tally.reasons).items(), key=lambda reason: -reason[1])
        named = ", ".join(f"{reason} {count}" for reason, count in reasons[:_REASONS_SHOWN])
        return f"{self.tally.failed} ({share_text(self.tally.failed / max(self.tally.ended, 1))}): {named}"

    def _unsent(self, label: str = "") -> str:
        lost = f", lost {self.tally.lost}" if self.tally.lost else ""
        return f"{label}{self.tally.dropped}{lost}"


def _latencies(last: LoadSecond) -> str:
    quantiles = {"p50": last.p50_seconds, "p95": last.p95_seconds, "p99": last.p99_seconds}
    return "   ".join(f"{name} {latency_words(seconds)}" for name, seconds in quantiles.items())


def _row(label: str, value: str, style: str = "") -> Text:
    return Text.assemble((label.ljust(_LABEL_CELLS), "dim"), (value, style))


def stage_ends(settings: LoadSettings) -> list[float]:
    """Return when each stage ends, in seconds from the start; nothing for a load without end."""
    if settings.steps:
        return list(accumulate(stage.duration.total_seconds() for stage in settings.steps))
    return [] if settings.duration is None else [settings.duration.total_seconds()]


def place_words(settings: LoadSettings, elapsed_seconds: float) -> str:
    """Return the stage and its rate, as `stage 3 of 9, 100 → 500/s`; of a constant load only the rate."""
    if settings.rate is not None:
        return f"{rate_text(settings.rate)}/s"
    ends, targets = stage_ends(settings), [stage.target for stage in settings.steps]
    index = min(sum(end <= elapsed_seconds for end in ends), len(ends) - 1)
    before = targets[index - 1] if index else settings.start_rate
    ramp = "" if before == targets[index] else f"{rate_text(before)} → "
    return f"stage {index + 1} of {len(ends)}, {ramp}{rate_text(targets[index])}/s"


def time_words(settings: LoadSettings, elapsed_seconds: float) -> str:
    """Return the time left, or the time gone of a load without end."""
    ends = stage_ends(settings)
    if not ends:
        return f"{_seconds_text(elapsed_seconds)} gone"
    if elapsed_seconds >= ends[-1]:
        return "all sent, waiting for answers"
    return f"{_seconds_text(ends[-1] - elapsed_seconds)} left"


def stage_bar(settings: LoadSettings, elapsed_seconds: float, width: int) -> tuple[str, str]:
    """Draw the time gone and the time left as two bars, `width` cells together, with a cross where a stage begins."""
    ends = stage_ends(settings)
    # The bar ends at half a cell.
    halves = int(2 * width * min(elapsed_seconds / ends[-1], 1.0))
    cells = ["━"] * (halves // 2) + ["╸"] * (halves % 2)
    cells += ["─"] * (width - len(cells))
    gone = halves // 2
    for end in ends[:-1]:
        cell = min(int(width * end / ends[-1]), width - 1)
        cells[cell] = "┿" if cell < gone else "┼"
    return "".join(cells[:gone]), "".join(cells[gone:])


def rate_text(rate: float) -> str:
    """Format a rate: two decimals below ten, else one."""
    return number_text(round(rate, 2 if rate < 10 else 1))


def _seconds_text(seconds: float) -> str:
    return format_duration(timedelta(seconds=round(seconds)))
