"""Alerting rules: what their expressions, labels, timing and routes say."""
