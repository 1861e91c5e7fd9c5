"""What becomes of a fault when something breaks at each step of injecting and undoing it: `make crash-matrix`.

`steps` finds the steps, `agent` is the process to which it happens, `targets` are what it breaks, `cell` is one step
and one event, `matrix` all of them.
"""
