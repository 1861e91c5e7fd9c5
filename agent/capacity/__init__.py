"""How much a service carries: a load that rises phase by phase, each judged by itself.

`result.py` is pure; `walk.py` watches the load and asks Prometheus.
"""
