"""Recorded drills as tests of alerting rules, which promtool runs without any server."""
