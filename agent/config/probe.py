"""A probe file: the transaction, its load, and the thresholds by which the load is judged."""

from __future__ import annotations

from pathlib import Path

from pydantic import model_validator

from alertdrill.agent.config.yaml_source import read_settings
from alertdrill.lab.parts import Parts
from alertdrill.probes.any_probe import AnyProbe
from alertdrill.probes.figures.thresholds import Thresholds, unmatched
from alertdrill.probes.load.settings import LoadSettings
from alertdrill.units.settings import Settings


class ProbeFile(Settings):
    """The whole of a probe file; without `load` it only serves as the transaction of drills.

    `lab` are the parts that it needs of a lab, and says nothing elsewhere. A load in phases ends with the first that
    did not pass, with `stop_at_first_failure`.
    """

    probe: AnyProbe
    load: LoadSettings | None = None
    thresholds: Thresholds = {}
    stop_at_first_failure: bool = False
    lab: Parts = Parts()

    @model_validator(mode="after")
    def _judges_what_is_there(self) -> ProbeFile:
        names = {request.name for request in self.probe.counted}
        checks = {check for request in self.probe.counted for check in request.checks}
        problems = unmatched(self.thresholds, names, checks)
        if self.stop_at_first_failure and (self.load is None or not self.load.phases):
            msg = "has stop_at_first_failure without phases in its load, expected both"
            raise ValueError(msg)
        if problems:
            msg = "; ".join(f"thresholds.{key}: {problem}" for key, problem in problems.items())
            raise ValueError(msg)
        return self


def read_probe_file(path: Path) -> ProbeFile:
    """Read a probe file; raises ConfigError with every problem of the file."""
    return read_settings(path, ProbeFile)


def read_probe(path: Path) -> AnyProbe:
    """Read the probe of a probe file; raises ConfigError with every problem of the file."""
    return read_probe_file(path).probe
