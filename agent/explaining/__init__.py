"""When a rule fires: explained from its files, or from the servers that run it."""
