"""Checks on an answer: their settings, and the tests compiled from them."""
