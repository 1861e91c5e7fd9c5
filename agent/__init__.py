"""alertdrill's process: commands, conducting, judging, reporting."""

__version__ = "0.1.0"
