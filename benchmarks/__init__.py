"""What is measured: one command for each, results beside it."""
