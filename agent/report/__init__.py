"""Reports: pure functions of a recording and its judgement; no clock, no network, no randomness.

To add one, write one file here with `render(recording, judgement)`, one row in the table of `alertdrill.agent.report.drill.files`,
and one test in `tests/agent/report`.
"""
