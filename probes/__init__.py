"""Single transactions (a file for each kind of probe), and many of them at their due times (`load`).

To add a kind of probe: docs/adding-a-probe.md.
"""
