"""The fault in Redis: flush, fill, block."""
