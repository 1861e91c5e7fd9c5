"""Faults in the network between a service and what it depends on, through Toxiproxy."""
