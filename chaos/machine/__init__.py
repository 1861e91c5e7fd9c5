"""Faults on the machine of the agent: processes, processor, memory, commands."""
