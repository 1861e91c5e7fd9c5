"""The Grafana dashboards as Python: `python -m dashboards` writes their JSON into configs/grafana/.

A dashboard is a table of panels in a file of its own; `build.py` alone knows Grafana's model.
To add a panel: one row in its dashboard's table, and `make dashboards`. A test runs every query on real servers.
"""
