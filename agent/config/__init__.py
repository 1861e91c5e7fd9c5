"""Reads and checks the files that people write: agent.yml, drills, probes, KPIs, rules."""
