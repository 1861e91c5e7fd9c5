"""The fault in Redis: flushed, filled, blocked."""
