"""One fault, and the certainty that it goes.

To add a fault: one file with a frozen Settings class whose `kind` is its name in YAML, one row in
`registry.py`, one test. The class says how to begin (`inject`) and, in data alone, how to undo
(`undo`); `fault.applied()` does the rest.
"""
