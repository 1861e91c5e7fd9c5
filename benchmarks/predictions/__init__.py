"""Predicted instants beside observed ones: every kind of rule on a real Prometheus and a real Alertmanager at once.

An exporter of our own steps all its series at one known instant, so that nothing but the rules and their timing
decides when each alert comes. `python -m benchmarks.predictions` prints the table.
"""
