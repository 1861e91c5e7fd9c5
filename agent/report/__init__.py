"""Reports: pure functions of a recording and its judgement; no clock, no network, no randomness.

docs/adding-a-report.md says how to add one.
"""
