"""What a recording proves. Pure: no clock, no network, no randomness."""
