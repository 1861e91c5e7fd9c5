"""How large the recording of a long drill is, and how long it takes to judge: `python -m benchmarks.judging`."""
