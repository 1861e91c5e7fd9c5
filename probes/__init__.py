"""One transaction, and the rhythm of many.

To add a probe: one file with a frozen Settings class whose `kind` is its name in YAML, one row in
`registry.py`, one test. A failed transaction is an Outcome with a reason, never an exception.
"""
