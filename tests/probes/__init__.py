"""Probes and the load that they make."""
