"""The DNS probe: its settings, and a client for each way to ask."""
