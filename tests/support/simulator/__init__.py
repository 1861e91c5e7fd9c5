"""A separate simulator of everything from a service to a receiver: an independent witness for tests.

A `Case` has all that matters: the signals of the service and its fault, how each target is scraped, the rule and its
group, Alertmanager's route.
`case.run()` gives its `Truth`: every sample, every evaluation, the alert's states, the notifications.
`case.run(MUTANTS["fires-late"])` gives the result of a wrong engine.
`simulator.drawn` has hypothesis strategies for cases.

It shares no code with the judge that it checks, uses no clock and no chance, and is compared with promtool and a real
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
