"""Converts a k6 script to a probe file: it never runs the script, and reports every part without a counterpart.

    syntax → script (names, scope, functions) → load, transaction (request, params, checks), thresholds → probe_yaml

`constants` evaluates expressions, with `operators` and `calls`; `truth` has the rules of conditions, `values` the types
of values, `scope` the variables, `environment` those of `__ENV`, `notes` the reports.
To convert more: another form of check is a row in `condition`, another executor a row in `_EXECUTORS` of `load`.
"""
