"""Figures of a load, and the thresholds for them."""
