"""Faults in a Kubernetes cluster, through its API server alone: nothing is executed in any pod.

A target needs two permissions: one in agent.yml, one in the cluster (`opted_in.py`). `client.py` is the only file that
speaks to the API server.
"""
