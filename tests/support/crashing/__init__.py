"""The crash matrix: a failure at each step of injecting and undoing a fault (`make crash-matrix`).

`steps` finds the steps, `agent` is the process to which it happens, `targets` are what it breaks, `cell` is one step
and one event, `matrix` all of them.
"""
