"""Faults: each is injected for a while, and undone whatever happens.

To add a fault: one file with a frozen class of settings whose `kind` is its name in YAML, one row in `registry.py`, one
test. The class finds its target (`resolve`) and returns an `Injection`: data that describes how to break the target and
how to undo that. `applied()` does the rest. The long version is docs/adding-a-fault.md.
"""
