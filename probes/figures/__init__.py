"""Figures of a load, and the thresholds that judge them."""
