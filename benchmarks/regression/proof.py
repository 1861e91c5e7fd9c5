"""Makes a regress file of each alert below a folder of rule files, runs it, and damages its rule."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import yaml

from alertdrill.agent.config.rules import parse_any_rules, rule_sources
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.regression.closure import PlacedRule, placed
from alertdrill.agent.regression.conversion import NotReplayable
from alertdrill.agent.regression.making import Made, Maker, MakingOptions
from alertdrill.agent.regression.promtool import Promtool, find_promtool
from alertdrill.agent.regression.replaying import MAY_DIFFER, Result, run
from alertdrill.agent.regression.rule_slice import RuleSlice, rule_slice
from benchmarks.regression.drawn import NotDrawn, drawn
from benchmarks.regression.recording import Situation, recorded, states

Kind = Literal["not simulated", "refused", "written", "wrong"]
_INTERVAL = timedelta(seconds=30)


@dataclass(frozen=True)
class Outcome:
    """What became of an alert, and why."""

    file: Path
    alert: str
    kind: Kind
    why: str = ""


def prove(folder: Path, every: int, programs: Sequence[str | None], processes: int) -> list[Outcome]:
    """Prove every so many of the alerts below a folder, with the first promtool; the others run the files, too."""
    found = alerts_in(folder)[::every]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(_proven, found, [tuple(programs)] * len(found)))


@dataclass(frozen=True)
class Located:
    """An alert, the file that has it, and all rule files of its folder."""

    alert: str
    file: Path
    files: tuple[Path, ...]


def alerts_in(folder: Path) -> list[Located]:
    """List the alerts of the rule files below a folder; those of one name in one folder are one."""
    alerts: dict[tuple[Path, str], Path] = {}
    files: dict[Path, list[Path]] = {}
    for path in sorted([*folder.rglob("*.yml"), *folder.rglob("*.yaml")]):
        for one in _placed(path):
            files.setdefault(path.parent, []).append(path)
            if one.rule.alert is not None:
                alerts.setdefault((path.parent, one.rule.alert), path)
    return [
        Located(alert, path, tuple(dict.fromkeys(files[parent]))) for (parent, alert), path in sorted(alerts.items())
    ]


def _placed(path: Path) -> list[PlacedRule]:
    return [one for source in rule_sources(path) for one in placed(str(path), parse_any_rules(source).groups)]


def _proven(located: Located, programs: tuple[str | None, ...]) -> Outcome:
    def outcome(kind: Kind, why: str = "") -> Outcome:
        return Outcome(located.file, located.alert, kind, why)

    try:
        sliced = rule_slice(located.files, located.alert, _INTERVAL)
        promtools = [find_promtool(one) for one in programs]
        situation = _situation(sliced, promtools[0])
        with TemporaryDirectory(prefix="alertdrill-regress-") as folder:
            made = _made(situation, promtools[0], Path(folder), located.files)
            problems = list(_problems(situation, promtools, made))
    except NotDrawn as error:
        return outcome("not simulated", str(error))
    except (NotReplayable, ConfigError) as error:
        return outcome("refused", str(error))
    except Exception as error:  # noqa: BLE001 - the error of one alert is a finding, and the others go on
        return outcome("wrong", f"{type(error).__name__}: {error}")
    return outcome("wrong", "; ".join(problems)) if problems else outcome("written")


def _situation(sliced: RuleSlice, promtool: Promtool) -> Situation:
    interval = round((sliced.interval or _INTERVAL) / timedelta(milliseconds=1))
    found = drawn(sliced, interval, promtool)
    return Situation(sliced, interval, found, states(promtool, sliced, interval, found))


def _made(situation: Situation, promtool: Promtool, folder: Path, files: Sequence[Path]) -> Made:
    recording = recorded(situation, promtool.version)
    path = folder / "drawn.recording.json.gz"
    path.write_bytes(b"")
    made = Maker(path, recording, promtool, MakingOptions(folder, files)).made(recording.drill.expect[0])
    made.path.write_text(made.text)
    return made


def _problems(situation: Situation, promtools: Sequence[Promtool], made: Made) -> Iterator[str]:
    """Yield what is wrong: a file that does not hold with its own rule, or that holds with a damaged one."""
    for promtool in promtools:
        (result,) = run([made.path], promtool)
        if (wrong := _told(result)) and not _is_explained(result):
            yield f"promtool {promtool.version}: {wrong}"
    promtool, folder = promtools[0], made.path.parent
    for damage in _damages(situation.sliced):
        rules = folder / "damaged.yml"
        rules.write_text(yaml.safe_dump({"groups": [damage.group(situation)]}))
        try:
            timeline = situation.replayed(promtool, rule_slice([rules], situation.sliced.alert, _INTERVAL))
        except ValueError:
            continue
        if any("f" in states for states in timeline.values()):
            continue
        text = re.sub(r"^rules:(?:.*\n)(?:- .*\n)*", "rules: damaged.yml\n", made.text, count=1, flags=re.MULTILINE)
        changed = folder / f"damaged.{made.path.name}"
        changed.write_text(text)
        (result,) = run([changed], promtool)
        if not _told(result):
            yield f"it also holds with {damage.what}"


def _told(result: Result) -> str:
    return "; ".join(filter(None, (result.error, *result.failures, *result.differences)))


def _is_explained(result: Result) -> bool:
    """Return whether only the snapshot differs, and the run says that the other version of promtool may be the reason."""
    return not (result.error or result.failures) and any(MAY_DIFFER in note for note in result.notes)


@dataclass(frozen=True)
class _Damage:
    """Text that is replaced in the expressions of an alert and of its recording rules, or another `for`."""

    what: str
    text: str = ""
    by: str = ""
    wait: timedelta = timedelta()

    def group(self, situation: Situation) -> dict[str, object]:
        rules = []
        for one in situation.sliced.rules["groups"][0]["rules"]:
            rule = dict(one)
            if self.text:
                rule["expr"] = re.sub(rf"(?<![\w:]){re.escape(self.text)}(?![\w:])", self.by, rule["expr"])
            if self.wait and "alert" in rule:
                rule["for"] = f"{self.wait.total_seconds():.0f}s"
            rules.append(rule)
        return {"name": "damaged", "interval": f"{situation.evaluation_ms}ms", "rules": rules}


def _damages(sliced: RuleSlice) -> Iterator[_Damage]:
    yield _Damage("a wait of a day", wait=timedelta(days=1))
    for metric in sorted({one.metric for one in sliced.reads.reads if one.metric}):
        yield _Damage(f"{metric} misspelt", metric, f"{metric}_misspelt")
