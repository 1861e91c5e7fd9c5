"""What is measured, and how: one command for each, results beside it.

`make bench` runs alertdrill and its peers side by side (`versus`), then alertdrill alone against rate and
against answers that take long (`growth`); `make soak` runs it for half an hour (`soak`). Each writes its own
section of results.json, and `page` renders the whole of it as RESULTS.md.
"""
