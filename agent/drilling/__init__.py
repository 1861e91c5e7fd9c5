"""Runs drills: load, faults, and what Prometheus and Alertmanager show; the result is a recording."""
