"""Feeds broken input to every reader of files, calls and answers: `python -m tools.fuzz` (`make fuzz`).

Each input is a valid one with some changes, drawn from a seed, so that a finding can be repeated. An input must be read
or refused with an error of this project, in less than two seconds of processor time.
"""
