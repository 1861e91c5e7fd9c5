"""The clients of Prometheus and Alertmanager. No other code calls them, and their exceptions stop here."""
