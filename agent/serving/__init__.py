"""What the agent serves: webhooks, metrics, health."""
