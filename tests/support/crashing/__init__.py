"""The crash matrix: a failure at each step of injecting and undoing a fault (`make crash-matrix`).

`steps` finds the steps, `agent` is the process that fails, `targets` are the servers and processes of the faults, `cell` is one step
and one event, `matrix` all of them.
"""
