"""Converts a k6 script to a probe file: it never runs the script, and reports every part without a counterpart.

    syntax → script (names, scope, functions) → load, transaction (request, params, checks), thresholds → probe_yaml

`constants` evaluates expressions, `values` has the types of their values, `scope` the variables, `notes` the reports.
To convert more: another form of check is a row in `condition`, another executor a row in `_EXECUTORS` of `load`.
"""
