"""Explains when a rule fires, from its files or from the servers that run it."""
