"""The agent's HTTP server: webhooks, metrics, health."""
