"""Compares predicted with observed instants, for every kind of rule on a real Prometheus and Alertmanager at once.

A test exporter changes all its series at one known instant, so that only the rules and their timing decide when each
alert fires. `python -m benchmarks.predictions` prints the table.
"""
