"""The verdicts on a recording. No clock, no network, no randomness."""
