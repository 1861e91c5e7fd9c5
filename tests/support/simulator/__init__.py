"""A separate simulator of all that is between a service and a receiver: an independent witness for tests.

A `Case` says everything that matters: what the service shows and when it breaks, how each target is scraped, the rule
and its group, Alertmanager's route.
`case.run()` gives its `Truth`: every sample, every evaluation, the alert's states, the notifications.
`case.run(MUTANTS["fires-late"])` gives what a wrong engine would have done.
`simulator.drawn` has hypothesis strategies for cases.

It shares no code with what it is a witness of, uses no clock and no chance, and is checked against promtool and a real
Prometheus in tests/simulator.
All times are whole milliseconds.
"""

from simulator.alertmanager import Mute, Notification, Routing, Told
from simulator.case import Case, Life, Truth
from simulator.group import Evaluation, Flags, Group
from simulator.mutants import MUTANTS, RIGHT, Engine
from simulator.promql import Absent, Compare, Quantile, Rate, Ratio, Selector
from simulator.rules import Rule
from simulator.scrape import Restart, Target
from simulator.service import Counters, Gauge, Latencies, Service
from simulator.storage import Sample, Version
from simulator.values import Labels, Millis, Stretches, Vector

__all__ = [
    "MUTANTS",
    "RIGHT",
    "Absent",
    "Case",
    "Compare",
    "Counters",
    "Engine",
    "Evaluation",
    "Flags",
    "Gauge",
    "Group",
    "Labels",
    "Latencies",
    "Life",
    "Millis",
    "Mute",
    "Notification",
    "Quantile",
    "Rate",
    "Ratio",
    "Restart",
    "Routing",
    "Rule",
    "Sample",
    "Selector",
    "Service",
    "Stretches",
    "Target",
    "Told",
    "Truth",
    "Vector",
    "Version",
]
