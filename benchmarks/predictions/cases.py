"""The rules: every kind of expression with every kind of `for`, and one for each reason why an alert stays silent.

Every series changes at the same instant. Ranges are 4 s, scrapes come every 0.2 s, groups are evaluated every 0.5 or
0.8 s, and the fault lasts 8 s. A machine that is too busy for that takes `slowed` cases: all but the ranges is longer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from alertdrill.agent.rules.shape import Levels
from alertdrill.agent.verdict.verdict import ChainLink, VerdictOutcome
from alertdrill.units.time_scale import scale_duration
from benchmarks.predictions.exporter import Read, events, flapping, histogram, lasting, short, step

SCRAPE_SECONDS = 0.2
RANGE_SECONDS = 4.0
FAULT_SECONDS = 8.0
_STEADY = Levels(0.0, 0.0)
_WAIT_IN_WORDS = re.compile(r"(?<=its `for` is )\d+|(?<=group_wait of )\d+")


@dataclass(frozen=True)
class Case:
    """One rule, the series of its service, and the expected verdict.

    `levels` are the rates of bad events and of all events before and during the fault, for rules with a range.
    `scrape_lag_seconds` is the delay until a sample can be read, for targets that hang. For a silent alert, `link` is
    the broken link of the chain. `says` are texts that the reason must contain. The firing of an alert that
    `begins_again` cannot be predicted from the fault alone. An empty `expr` means that there is no rule.
    """

    alert: str
    expr: str
    for_: str = "0s"
    interval: str = "500ms"
    keep: str = ""
    series: dict[str, Read] = field(default_factory=dict)
    levels: Levels = _STEADY
    scrape_lag_seconds: float = 0.0
    labels: dict[str, str] = field(default_factory=dict)
    outcome: VerdictOutcome = VerdictOutcome.PASSED
    link: ChainLink | None = None
    says: tuple[str, ...] = ()
    receiver: str = "pager"
    begins_again: bool = False

    @property
    def rule(self) -> dict[str, object]:
        """The rule as in a rule file."""
        written: dict[str, object] = {"alert": self.alert, "expr": self.expr, "for": self.for_, "labels": self.labels}
        return written | ({"keep_firing_for": self.keep} if self.keep else {})


def slowed(case: Case, slowness: int) -> Case:
    """Return a case that takes a number of times as long; its ranges stay, and with them what is bad enough."""

    def longer(duration: str) -> str:
        return scale_duration(duration, 1 / slowness) if duration else ""

    return replace(
        case,
        for_=longer(case.for_),
        interval=longer(case.interval),
        keep=longer(case.keep),
        scrape_lag_seconds=case.scrape_lag_seconds * slowness,
        says=tuple(_WAIT_IN_WORDS.sub(lambda found: str(int(found[0]) * slowness), words) for words in case.says),
    )


_FOR = {"0": "0s", "Below": "200ms", "Equal": "500ms", "Multiple": "2s", "Between": "1700ms"}


def _kinds() -> list[tuple[str, str, dict[str, Read], Levels, float]]:
    return [
        ("Above", "depth_above > 50", {"depth_above": step(10, 100)}, _STEADY, 0.0),
        ("Below", "depth_below < 50", {"depth_below": step(100, 10)}, _STEADY, 0.0),
        ("Down", 'up{job="refusing"} == 0', {}, _STEADY, 0.0),
        ("Hung", 'up{job="hanging"} == 0', {}, _STEADY, SCRAPE_SECONDS),
        ("Gone", 'absent(vanishing{job="service"})', {"vanishing": step(1, None)}, _STEADY, 0.0),
        ("Rate", "rate(rate_total[4s]) > 50", {"rate_total": events(0.0, 1.0)}, Levels(0, 200), 0.0),
        (
            "Increase",
            "increase(increase_total[4s]) > 100",
            {"increase_total": events(0.05, 0.5)},
            Levels(10, 100),
            0.0,
        ),
        (
            "Ratio",
            "rate(failed_total[4s]) / rate(handled_total[4s]) > 0.25",
            {"failed_total": events(0.0, 0.5), "handled_total": events(1.0, 1.0)},
            Levels(0, 100, 200, 200),
            0.0,
        ),
        (
            "Quantile",
            "histogram_quantile(0.9, rate(took_seconds_bucket[4s])) > 2",
            histogram("took_seconds", 0.5),
            Levels(0, 100, 200, 200),
            0.0,
        ),
    ]


def _lawful() -> list[Case]:
    """Return every kind with every `for`, in groups with two intervals."""
    return [
        Case(
            alert=f"{kind}For{name}",
            expr=expr,
            for_=for_,
            interval="500ms" if number % 2 else "800ms",
            series=series,
            levels=levels,
            scrape_lag_seconds=lag,
        )
        for number, (kind, expr, series, levels, lag) in enumerate(_kinds())
        for name, for_ in _FOR.items()
    ]


_DEPTH = {"depth": step(10, 100)}


def _particular() -> list[Case]:
    """Return cases for `keep_firing_for`, sums, offsets, and Alertmanager's grouping."""
    return [
        Case("KeepsShort", "depth > 50", "1s", keep="300ms", series=_DEPTH),
        Case("KeepsLong", "depth > 50", "1s", keep="2s", series=_DEPTH),
        Case("Summed", "sum by (job) (depth) > 50", "1s", series=_DEPTH),
        Case("Extreme", "max(depth) > 50", "1s", series=_DEPTH),
        Case("Offset", "depth offset 1s > 50", "1s", series=_DEPTH),
        Case("GroupWait", "depth > 50", "1s", labels={"way": "slow"}, receiver="slow"),
        Case("GroupKnown", "depth > 50", "2s", labels={"way": "shared"}, receiver="shared"),
        Case("GroupFirst", "depth > 50", "0s", labels={"way": "shared"}, receiver="shared"),
        Case("TwoLabelSets", "parted > 50", "1s", series=_parts()),
        Case("GapResets", "gapped > 50", "2500ms", series={"gapped": flapping(10, 100, 2.0, 3.5)}, begins_again=True),
    ]


# Expressions that Prometheus can read and promql-parser cannot, by Prometheus's major version.
_UNREADABLE = {2: "holt_winters(depth[4s], 0.5, 0.5)", 3: "max_over_time(depth[2s * 2])"}


def _beyond_the_parser(major: int) -> list[Case]:
    """Return one such rule that fires, and one that stays silent."""
    expr = _UNREADABLE[major]
    noted = "beyond this version's parser"
    return [
        Case("Unreadable", f"{expr} > 50", "1s", says=("fired in its window", noted)),
        Case(
            "UnreadableSilent",
            f"{expr} > 5000",
            "1s",
            outcome=VerdictOutcome.MISSED,
            link=ChainLink.NEVER_TRUE,
            says=("cannot be taken apart", noted),
        ),
    ]


def _parts() -> dict[str, Read]:
    return {'parted{part="a"}': step(10, 100), 'parted{part="b"}': step(10, 90)}


def _silent() -> list[Case]:
    """Return an alert that never fires for each link of the chain up to the rule engine."""
    missed: dict[str, Any] = {"outcome": VerdictOutcome.MISSED}
    return [
        Case("Sumed", "", link=ChainLink.NO_RULE, says=("makes Sumed", "mean Summed"), **missed),
        Case("NoSeries", "depht > 50", link=ChainLink.SERIES_ABSENT, says=("series depht", "mean depth"), **missed),
        Case(
            "NoMatch",
            'depth{job="servise"} > 50',
            link=ChainLink.NOTHING_MATCHES,
            says=('no series depth has job="servise"', "it has 'service'"),
            **missed,
        ),
        Case(
            "NoPair",
            "depth / other_depth > 2",
            link=ChainLink.NO_PAIR,
            says=("`/`", "part is absent on the left and 'x' on the right"),
            **missed,
            series=_unpaired(),
        ),
        Case(
            "NeverCrossed",
            "depth > 500",
            link=ChainLink.NEVER_CROSSED,
            says=("largest value 100", "fires at > 500"),
            **missed,
        ),
        Case(
            "RateNeverCrossed",
            "rate(rate_total[4s]) > 500",
            link=ChainLink.NEVER_CROSSED,
            says=("fires at > 500", "even a range of 4 s full of it would not do"),
            **missed,
        ),
        Case(
            "OneNeverCrossed",
            "depth > 50 and on (job) other_depth > 50",
            link=ChainLink.NEVER_CROSSED,
            says=("`other_depth > 50`", "largest value 10"),
            **missed,
        ),
        Case(
            "NeverBoth",
            "depth > 50 and on (job) idle > 50",
            link=ChainLink.NEVER_TRUE,
            says=("`depth > 50` and `idle > 50` were true, but never at one evaluation",),
            **missed,
            series={"idle": step(100, 10)},
        ),
        Case(
            "Stale",
            "fading > 50",
            link=ChainLink.SERIES_STALE,
            says=("fading was gone from +",),
            **missed,
            series={"fading": step(10, None)},
        ),
        Case(
            "Unscraped",
            "sheltered > 50",
            link=ChainLink.SERIES_STALE,
            says=("sheltered was gone from +", "of job refusing could not be scraped, first +"),
            **missed,
        ),
        Case(
            "BrokenOff",
            "brief > 50",
            "3s",
            link=ChainLink.BROKEN_OFF,
            says=("at the longest", "its `for` is 3 s"),
            **missed,
            series={"brief": short(10, 100, 1.5)},
        ),
        Case("TooLate", "depth > 50", "60s", link=ChainLink.BROKEN_OFF, says=("its `for` is 60 s",), **missed),
        Case(
            "StillPending",
            "stuck > 50",
            "60s",
            link=ChainLink.STILL_PENDING,
            says=("still pending at the end", "its `for` is 60 s", "s more"),
            **missed,
            series={"stuck": lasting(10, 100)},
        ),
        Case(
            "ManyMatches",
            "parted / on(job) parted > 0",
            link=ChainLink.EVALUATION_FAILED,
            says=("cannot evaluate", "many-to-many matching not allowed", 'job="service"'),
            **missed,
        ),
        Case(
            "NeverPending",
            "late_depth > 50",
            link=ChainLink.NEVER_PENDING,
            says=("(100 > 50)", "never made it pending"),
            **missed,
        ),
    ]


def _not_notified() -> list[Case]:
    """Return an alert that fires for each link of the chain through Alertmanager."""
    not_notified: dict[str, Any] = {"outcome": VerdictOutcome.NOT_NOTIFIED}
    return [
        Case(
            "NotSent",
            "depth > 50",
            labels={"way": "dropped"},
            link=ChainLink.NOT_SENT,
            says=("pager was never told", "Alertmanager never had it", "alert_relabel_configs"),
            **not_notified,
        ),
        Case(
            "Silenced",
            "depth > 50",
            link=ChainLink.SILENCED,
            says=("pager was never told", 'of somebody (alertname="Silenced": planned work)'),
            **not_notified,
        ),
        Case(
            "Inhibited",
            "depth > 50",
            "2s",
            labels={"way": "inhibited"},
            link=ChainLink.INHIBITED,
            says=("pager was never told", "inhibited by DownFor0{", 'job="refusing"'),
            **not_notified,
        ),
        Case(
            "Muted",
            "depth > 50",
            labels={"way": "muted"},
            link=ChainLink.MUTED,
            says=("pager was never told", "muted", "by the time interval round-the-clock"),
            **not_notified,
        ),
        Case(
            "Elsewhere",
            "depth > 50",
            labels={"way": "elsewhere"},
            link=ChainLink.ROUTED_ELSEWHERE,
            says=("told daily, expected pager", 'way="elsewhere"', "lead to daily"),
            outcome=VerdictOutcome.WRONG_RECEIVER,
        ),
        Case(
            "Undelivered",
            "depth > 50",
            labels={"way": "broken"},
            link=ChainLink.NOT_DELIVERED,
            says=("broken was never told", "the receiver did not take it", "by webhook"),
            **not_notified,
            receiver="broken",
        ),
        Case(
            "NotCalled",
            "depth > 50",
            labels={"way": "outside"},
            link=ChainLink.NOT_CALLED,
            says=("counts notifications without a failure", "by slack", "…/api/v1/webhook/outside"),
            outcome=VerdictOutcome.INCONCLUSIVE,
            receiver="outside",
        ),
        Case(
            "StillWaiting",
            "depth > 50",
            labels={"way": "never"},
            link=ChainLink.STILL_WAITING,
            says=("never was never told", "within the group_wait of 3600 s"),
            **not_notified,
            receiver="never",
        ),
    ]


def _unpaired() -> dict[str, Read]:
    return {'other_depth{part="x"}': step(10, 10)}


def cases(major: int = 2) -> list[Case]:
    """Return every case for a major version of Prometheus."""
    return [*_lawful(), *_particular(), *_beyond_the_parser(major), *_silent(), *_not_notified()]


def shown() -> dict[str, Read]:
    """Return every series of the service by name, for all cases, because a case may use another case's series."""
    return {name: read for case in cases() for name, read in case.series.items()}
