"""Tests, by the rooms of the program."""
