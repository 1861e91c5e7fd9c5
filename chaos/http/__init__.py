"""The HTTP fault: a request breaks something, another undoes it."""
