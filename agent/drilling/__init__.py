"""From a drill to its recording: load, faults, and what is observed meanwhile."""
