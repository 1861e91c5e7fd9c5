"""A probe file: the transaction, its load, and the thresholds for the load."""

from __future__ import annotations

from pathlib import Path

from pydantic import model_validator

from alertdrill.agent.config.yaml_source import read_settings
from alertdrill.lab.parts import LabParts
from alertdrill.probes.any_probe import AnyProbe
from alertdrill.probes.figures.thresholds import Thresholds, unmatched
from alertdrill.probes.load.settings import LoadSettings
from alertdrill.units.settings import Settings


class ProbeFile(Settings):
    """The whole of a probe file; without `load` it is only the transaction of drills.

    `lab` names the parts that the probe needs of a lab, and has no effect elsewhere. `stop_at_first_failure` ends a
    load in phases with the first phase that does not pass.
    """

    probe: AnyProbe
    load: LoadSettings | None = None
    thresholds: Thresholds = {}
    stop_at_first_failure: bool = False
    lab: LabParts = LabParts()

    @model_validator(mode="after")
    def _thresholds_have_a_metric(self) -> ProbeFile:
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
