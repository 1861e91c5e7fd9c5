"""The process: commands, drills, loads, verdicts and reports."""
