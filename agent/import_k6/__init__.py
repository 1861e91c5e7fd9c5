"""A k6 script into a probe file: nothing of it is run, and what has no counterpart is said, never guessed.

    syntax → script (names, scope, functions) → load, transaction (request, params, checks), thresholds → probe_yaml

`constants` knows the values of expressions, `values` what they may be, `scope` the variables.
`refusal` asks a probe file's own models what they would take.
To carry more over: another form of check is a row in `condition`, another executor one in `scenarios`.
"""
