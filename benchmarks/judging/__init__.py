"""The size of a long drill's recording, and the time it takes to judge it: `python -m benchmarks.judging`."""
