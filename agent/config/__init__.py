"""The files that people write, read and checked: agent.yml, drills, probes, KPIs, rules."""
