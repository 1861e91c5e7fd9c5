"""Alerting rules: their expressions, labels, timing and routes."""
