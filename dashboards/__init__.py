"""The Grafana dashboards as Python: `python -m dashboards` writes their JSON into configs/grafana/.

Each dashboard is a table of panels in its own file; only `build.py` knows Grafana's model.
To add a panel, add a row to its dashboard's table and run `make dashboards`. A test runs every query on real servers.
"""
