"""One fault, and the certainty that it goes.

To add a fault: one file with a frozen class of settings whose `kind` is its name in YAML, one row in
`registry.py`, one test. The class finds its target (`resolve`) and tells, in data alone, how to break it and
how to mend it (an `Injection`); `applied()` does the rest. docs/adding-a-fault.md tells it at length.
"""
