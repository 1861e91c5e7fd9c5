"""Quantities that every package shares; it imports none of them."""
