"""Faults in a Kubernetes cluster, through its API server alone: nothing is executed in any pod.

What may be touched is written down in agent.yml and again in the cluster (`opted_in.py`). `client.py` is the only
file that speaks to the API server; the files of faults say what they break and how it is mended.
"""
