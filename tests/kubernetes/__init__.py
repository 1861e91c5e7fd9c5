"""Faults in Kubernetes, on a real control plane."""
