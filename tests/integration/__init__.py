"""Whole commands, on real servers."""
