"""The DNS probe: its settings, and two clients, one for the system's resolver and one for a server."""
