"""The HTTP API of a running agent: `/api/v1`."""
