"""Telling others what a running agent found: notifications, annotations in Grafana, a heartbeat."""
