"""Recordings with raw samples: of cases of the simulator, and of series that a test writes down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from alertdrill.agent.config.rules import AnyRuleFile
from alertdrill.agent.drilling.raw_samples import text_of
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertSamples, FaultRecord, PhaseRecord, RuleRecord, TargetRecord
from alertdrill.agent.recording.replay import ReplayRecord, packed
from alertdrill.agent.regression.case import InputSeries
from alertdrill.agent.regression.promtool import Job, find_promtool, labels_of
from alertdrill.agent.regression.rule_slice import rule_slice, timeline_of
from alertdrill.agent.regression.spelling import parse_values
from alertdrill.units.duration import parse_duration
from tests.support.one_rule import START
from tests.support.simulated_recording import Simulated


def with_samples(simulated: Simulated) -> Recording:
    """Return a simulated recording with the raw samples that Prometheus would have stored."""
    case, truth = simulated.case, simulated.truth
    since = (case.begins if case.scraped_since is None else case.scraped_since) / 1000
    found = [
        (dict(labels), [(one.at / 1000, one.value) for one in samples if one.value is not None and one.at <= case.ends])
        for labels, samples in truth.scraped.items()
    ]
    rule = {"alert": case.rule.alert, "expr": str(case.rule.expression), "labels": dict(case.rule.labels)}
    file = AnyRuleFile.model_validate({"groups": [{"name": "drawn", "rules": [rule]}]})
    instants, series = packed(since, ((labels, samples) for labels, samples in found if samples))
    replay = ReplayRecord(
        since=since,
        files={"rules.yml": text_of(file)},
        instants=instants,
        series=series,
        targets=_all_scrapes(simulated),
    )
    return simulated.recording.model_copy(update={"replay": replay})


def _all_scrapes(simulated: Simulated) -> list[Any]:
    return list(simulated.recording.targets)


def rule_file(folder: Path, simulated: Simulated) -> Path:
    """Write the rule of a case as a rule file."""
    case = simulated.case
    rule = {
        "alert": case.rule.alert,
        "expr": str(case.rule.expression),
        "for": f"{case.rule.hold}ms",
        "keep_firing_for": f"{case.rule.keep}ms",
        "labels": dict(case.rule.labels),
    }
    return write_rules(folder / "rules.yml", [rule], f"{case.group.interval}ms")


def write_rules(path: Path, rules: list[dict[str, Any]], interval: str | None = None) -> Path:
    """Write rules of one group."""
    group: dict[str, Any] = {"name": "shop", "rules": rules} | ({"interval": interval} if interval else {})
    path.write_text(yaml.safe_dump({"groups": [group]}, sort_keys=False))
    return path


@dataclass(frozen=True, eq=False)
class Written:
    """Series that a test writes down, scraped every 15 s, the first time 4 s after the first evaluation.

    The fault begins and ends at these times from the start; the drill begins after `lead`.
    """

    series: dict[str, str]
    rules: list[dict[str, Any]]
    alert: str
    begins: float = 300
    ends: float = 900
    lasts: float = 1500
    lead: float = 120
    scale: float = 1.0

    def recording(self, base: Recording, folder: Path) -> tuple[Recording, Path]:
        """Return a recording in which the alert did what promtool says, and the rule file."""
        path = write_rules(folder / "rules.yml", self.rules)
        sliced = rule_slice([path], self.alert, timedelta(seconds=15))
        lines = tuple(_line(name, values) for name, values in self.series.items())
        count = round(self.lasts / 15) + 1
        job = Job(sliced.rules, 15_000, lines, sliced.queries([15_000 * n for n in range(count)]))
        (answer,) = find_promtool().run([job])
        assert not answer.error, answer.error
        alerts = [
            AlertSamples(labels=dict(labels), state=state, instants=[self._at(15 * n) for n in numbers])  # type: ignore[arg-type]
            for labels, states in timeline_of(answer, count).items()
            for state in ("pending", "firing")
            if (numbers := [n for n, letter in enumerate(states) if letter == state[0] and 15 * n >= self.lead])
        ]
        return self._recording(base, alerts, lines), path

    def _at(self, seconds: float) -> float:
        return START + seconds / self.scale

    def _recording(self, base: Recording, alerts: list[AlertSamples], lines: tuple[InputSeries, ...]) -> Recording:
        found = [
            (
                dict(line.labels),
                [
                    # A lab with a time scale counts for a shorter time.
                    (
                        self._at((line.offset_ms + n * line.step_ms) / 1000),
                        value / (self.scale if line.name.endswith("_total") else 1),
                    )
                    for n, value in enumerate(line.values)
                    if isinstance(value, float)
                ],
            )
            for line in lines
        ]
        instants, series = packed(START, found)
        rule = next(one for one in self.rules if one.get("alert") == self.alert)
        wait = parse_duration(rule.get("for", "0s")).total_seconds() / self.scale
        record = RuleRecord(
            alert=self.alert, group="shop", file="rules.yml", expr=rule["expr"], for_seconds=wait,
            keep_firing_for_seconds=0, interval_seconds=15 / self.scale, labels=rule.get("labels", {}), annotations={},
            health="ok",
        )  # fmt: skip
        expect = {"alert": self.alert, "within": f"{round(600_000 / self.scale)}ms", "receiver": "pager"}
        expect["labels"] = rule.get("labels", {})
        drill = type(base.drill).model_validate({"drill": "shop", "load": {"rate": 10}, "expect": [expect]})
        began, ended = self._at(self.lead), self._at(self.lasts + 30)
        fault = FaultRecord(
            kind="step", target="shop", settings={}, injected_at=self._at(self.begins), healed_at=self._at(self.ends)
        )
        update = {
            "drill": drill, "time_scale": self.scale, "started_at": began, "ended_at": ended, "alerts": alerts,
            "faults": [fault], "rules": [record], "rules_at_end": None, "watched": [], "targets": [], "groups": [],
            "phases": [PhaseRecord(phase="baseline", started_at=began, ended_at=self._at(self.begins))],
            "replay": ReplayRecord(
                since=START, files={}, instants=instants, series=series, targets=self._targets(lines)
            ),
        }  # fmt: skip
        return base.model_copy(update=update)

    def _targets(self, lines: tuple[InputSeries, ...]) -> list[TargetRecord]:
        instants = [self._at(4 + 15 * n) for n in range(len(lines[0].values))]
        return [
            TargetRecord(
                job="shop", instance=instance, interval_seconds=15 / self.scale, timeout_seconds=10 / self.scale,
                instants=instants, up=[1] * len(instants), durations_seconds=[0.001] * len(instants),
            )
            for instance in sorted({dict(line.labels).get("instance", "") for line in lines})
        ]  # fmt: skip


def _line(name: str, values: str) -> InputSeries:
    metric, brace, inside = name.partition("{")
    labels = (*labels_of(brace + inside), ("__name__", metric))
    return InputSeries(tuple(sorted(labels)), 4_000, 15_000, tuple(parse_values(values)))
