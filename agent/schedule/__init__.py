"""When drills run: the occurrences of the schedule, which drills each has, and what became of it."""
