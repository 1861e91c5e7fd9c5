"""Reports of loads: the summary and its page."""
