"""The only door to Prometheus and to Alertmanager; their exceptions stop here."""
