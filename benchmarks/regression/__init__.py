"""Replays of public alerting rules: for each alert, series that fire it, a recording, a regress file, and its run."""
