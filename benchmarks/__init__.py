"""Benchmarks: one command for each, with its results in this folder.

`make bench` runs alertdrill and similar programs side by side (`versus`), then alertdrill alone at different rates and
with slow answers (`growth`). `make soak` runs it for half an hour (`soak`). Each writes its own section of
results.json, and `page` renders the whole file as RESULTS.md.
"""
